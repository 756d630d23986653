// VGG-16 without batch norm (arXiv:1409.1556, configuration D): 138,357,544 parameters in 32
// tensors, 123.6 million of them in three dense layers, and little to compute for each: the network
// that shows what the wire can do. The tensors are torchvision's, by name, shape and order, so
// weights come and go without a mapping. There are no buffers.
//
//   Vgg16 network({}, seed);
//   at::Tensor logits = network.Forward(images);              // [N, 3, H, W] -> [N, 1000]
//
// As torchvision has it: convolutions start He-normal over fan-out, dense layers N(0, 0.01^2),
// biases zero. Images of any size from 32 up: what the last pool leaves is averaged to 7 x 7, or
// repeated, so the size does not change the number of parameters.
//
// Thread: one at a time. LibTorch's exceptions leave Forward.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "models/layers/layers.h"
#include "ops/parameter.h"

namespace stemma::models {

struct Vgg16Shape {
  int64_t classes = 1000;
  double dropout = 0.5;  // behind the first two dense layers
};

class Vgg16 {
 public:
  Vgg16(const Vgg16Shape& shape, uint64_t seed);

  // Training mode draws dropout from LibTorch's default generator, which the Trainer keys.
  at::Tensor Forward(const at::Tensor& images);
  void SetTraining(bool training) { layers_.SetTraining(training); }
  // Forward asks it for each parameter before it uses it; null: nobody.
  void UseGate(Gate* gate) { layers_.UseGate(gate); }
  // Moves all tensors; before anybody else holds them.
  void To(at::Device device) { layers_.To(device); }

  // torchvision's order: "features.0.weight", ..., "features.28.bias", "classifier.0.weight", ...,
  // "classifier.6.bias".
  const std::vector<ops::Parameter>& parameters() const { return layers_.parameters(); }
  const std::vector<ops::Buffer>& buffers() const { return layers_.buffers(); }

 private:
  const double dropout_;
  Layers layers_;
  std::vector<std::vector<Convolution>> stages_;  // a pool after each
  Dense fc0_, fc3_, fc6_;
};

}  // namespace stemma::models
