// What contracts say when a promise was broken. They are functions of one rank that return the
// first broken promise; see communicator_contract.h.
#pragma once

#include <string>

#include "comm/communicator.h"
#include "core/status.h"

namespace stemma::tests {

inline Status Broken(const std::string& what) {
  return {Code::kInternal, "promise broken: " + what};
}

// The call was made, and waited for.
inline Status Finish(Result<comm::Work> work) {
  STEMMA_RETURN_IF_ERROR(work.status());
  return work->Wait();
}

}  // namespace stemma::tests
