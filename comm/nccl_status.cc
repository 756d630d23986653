#include "comm/nccl_status.h"

#include <nccl.h>

namespace stemma::comm {
namespace {

Code CodeOf(ncclResult_t result) {
  switch (result) {
    case ncclInvalidArgument:
    case ncclInvalidUsage:
    case ncclUnhandledCudaError:
    case ncclInternalError:
      return Code::kInternal;
    default:
      return Code::kPeerLost;
  }
}

}  // namespace

Status FromNccl(int rc, const std::string& call) {
  const auto result = static_cast<ncclResult_t>(rc);
  if (result == ncclSuccess) return {};
  const char* last = ncclGetLastError(nullptr);
  std::string text = call + ": " + ncclGetErrorString(result);
  if (last != nullptr && *last != '\0') text += " (" + std::string(last) + ")";
  return {CodeOf(result), text};
}

}  // namespace stemma::comm
