#include "models/layers/device.h"

#include <ATen/Context.h>

namespace stemma::models {

Result<at::Device> DeviceOf(const std::string& kind) {
  if (kind == "cpu") return at::Device(at::kCPU);
  if (kind != "cuda") {
    return Status(Code::kInvalidArgument, "device.kind = " + kind + ": expected cpu or cuda");
  }
  if (at::hasCUDA()) return at::Device(at::kCUDA);
  return Status(Code::kInvalidArgument,
                "device.kind = cuda, but there is no GPU that LibTorch can use here; check the "
                "driver and the build (--config=cuda), or set device.kind = cpu");
}

}  // namespace stemma::models
