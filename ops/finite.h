// Is every element of a gradient a finite number?
#pragma once

#include <ATen/core/Tensor.h>

namespace stemma::ops {

// One read of the memory, no copy on a CPU for f32 and f64. On a GPU the host waits. Throws what
// LibTorch throws.
bool AllFinite(const at::Tensor& tensor);

}  // namespace stemma::ops
