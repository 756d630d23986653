// Batch norm and the activation behind it, as the network uses them.
//
//   at::Tensor y = NormThen(Activation::kRelu, x, {weight, bias, mean, variance}, true);
//
// x is [1, C, M]: each channel's values of all samples in a row. In training on the host in float32
// both are one function with a backward pass of its own (norm_rows.h); anywhere else they are
// LibTorch's. The same numbers to rounding, running statistics included: the mean square around the
// mean, divided by M - 1.
//
// Thread: the loop's. LibTorch's exceptions leave it.
#pragma once

#include <ATen/core/Tensor.h>

#include "models/aigw/norm_rows.h"

namespace stemma::models {

struct NormTensors {
  at::Tensor weight, bias;               // trained
  at::Tensor running_mean, running_var;  // moved in training, used otherwise
};

// Epsilon 1e-3, 0.99 of the running statistics is kept: Keras's.
at::Tensor NormThen(Activation activation, const at::Tensor& x, const NormTensors& norm,
                    bool training);

}  // namespace stemma::models
