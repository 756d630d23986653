#include "models/workloads.h"

#include <utility>

#include "models/aigw/workload.h"

namespace stemma::models {

Result<std::unique_ptr<Workload>> MakeWorkload(const RunSettings& settings) {
  if (settings.run.workload == "aigw") {
    STEMMA_ASSIGN_OR_RETURN(auto aigw,
                            Aigw::Make(settings.aigw, static_cast<uint64_t>(settings.train.seed),
                                       settings.device.kind));
    return std::unique_ptr<Workload>(std::move(aigw));
  }
  return Status(Code::kInvalidArgument,
                "run.workload = \"" + settings.run.workload + "\": this program trains aigw");
}

}  // namespace stemma::models
