// Networks that exist to be measured, each the hard case of another part of the engine:
//
//   Mlp      1024 -> 3072 -> 3072 -> 3072 -> 1024, ReLU between: 25,176,064 parameters, 100.7 MB of
//            gradients in 8 tensors, and little to compute at small batches
//   Tiny     1000 tensors of 1024 elements, 4 kB each: x <- x + 0.001 x w_i, one call per tensor,
//            so what counts is the cost per tensor
//
// Weights start uniform, +-1/sqrt(fan_in): what they are does not change what is measured.
// Thread: one at a time. LibTorch's exceptions leave Forward.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "models/layers/layers.h"
#include "ops/parameter.h"

namespace stemma::models {

class Mlp {
 public:
  static constexpr int64_t kIn = 1024, kHidden = 3072, kOut = 1024;
  explicit Mlp(uint64_t seed);
  at::Tensor Forward(const at::Tensor& x);  // [N, 1024] -> [N, 1024]
  Layers& layers() { return layers_; }

 private:
  Layers layers_;
  std::vector<Dense> dense_;
};

class Tiny {
 public:
  static constexpr int64_t kTensors = 1000, kWidth = 1024;
  explicit Tiny(uint64_t seed);
  at::Tensor Forward(const at::Tensor& x);  // [N, 1024] -> [N, 1024]
  Layers& layers() { return layers_; }

 private:
  Layers layers_;
};

}  // namespace stemma::models
