#include <utility>

#include "tests/conformance/row.h"

namespace stemma::tests {

comm::CommSettings Rig::Patient() {
  comm::CommSettings settings;
  settings.deadline_s = 30;  // the machine may be busy with other tests
  return settings;
}

Status Rig::Reopen(comm::CommSettings settings) {
  if (world_ != nullptr) world_->Close().ok();  // a broken world says so once more
  world_.reset();
  STEMMA_ASSIGN_OR_RETURN(world_, Open(std::move(settings)));
  return {};
}

}  // namespace stemma::tests
