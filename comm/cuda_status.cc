#include "comm/cuda_status.h"

#include <cuda_runtime_api.h>

#include <string>

namespace stemma::comm {
namespace {

bool IsChoice(cudaError_t error) {
  switch (error) {
    case cudaErrorInsufficientDriver:
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
    case cudaErrorDevicesUnavailable:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorMemoryAllocation:
      return true;
    default:
      return false;
  }
}

}  // namespace

Status FromCuda(int rc, const char* call) {
  const auto error = static_cast<cudaError_t>(rc);
  if (error == cudaSuccess) return {};
  std::string name(call);
  name = name.substr(0, name.find('('));
  return {IsChoice(error) ? Code::kInvalidArgument : Code::kInternal,
          name + ": " + cudaGetErrorString(error)};
}

}  // namespace stemma::comm
