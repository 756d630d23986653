// The device that a run's network lives on.
#pragma once

#include <c10/core/Device.h>

#include <string>

#include "core/status.h"

namespace stemma::models {

// "cpu", or "cuda": this rank's current GPU. kInvalidArgument: another name, or a GPU that LibTorch
// cannot use here, with what to do.
Result<at::Device> DeviceOf(const std::string& kind);

}  // namespace stemma::models
