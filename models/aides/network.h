// The network of AI-DES (arXiv:1812.02183): Xception without its top, global average pool, Dense
// 1024, dropout 0.7, Dense 1024 (the feature layer), Dense 2. Elliptical is class 0, spiral 1.
// 23,956,778 trainable parameters and 54,528 running statistics.
//
//   AidesNetwork network(seed);
//   AidesOutput out = network.Forward(images);   // [N, 3, 224, 224] -> logits [N, 2]
//
// As the Keras original has it: no convolution has a bias, batch norm has epsilon 1e-3 and keeps
// 0.99 of its running statistics, weights start Glorot-uniform and biases zero, the first two
// convolutions are unpadded, pools 3x3/2 are padded after TensorFlow's "same" rule (on an even size
// right and bottom only: LibTorch's padding=1 is another function there). Names follow timm's
// legacy_xception for the base, so that published weights find their place; "head.*" is ours.
//
// Thread: one at a time. LibTorch's exceptions leave Forward.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "models/layers/layers.h"
#include "ops/parameter.h"

namespace stemma::models {

constexpr double kAidesDropout = 0.7;

struct AidesOutput {
  at::Tensor logits;    // [N, 2]
  at::Tensor features;  // [N, 1024], of the feature layer
};

// Max pool 3x3 with stride 2, "same" after TensorFlow's rule: output ceil(n/2).
at::Tensor PoolSame(const at::Tensor& x);

class AidesNetwork {
 public:
  explicit AidesNetwork(uint64_t seed, double dropout = kAidesDropout);

  // Images of 71x71 at least. Training mode draws dropout from LibTorch's default generator.
  AidesOutput Forward(const at::Tensor& images);
  void SetTraining(bool training) { layers_.SetTraining(training); }
  // Forward asks it for each parameter before it uses it; null: nobody.
  void UseGate(Gate* gate) { layers_.UseGate(gate); }
  void To(at::Device device) { layers_.To(device); }
  // What comes before the first parameter of this prefix is frozen: layers.h.
  size_t FreezeBefore(const std::string& prefix) { return layers_.FreezeBefore(prefix); }

  const std::vector<ops::Parameter>& parameters() const { return layers_.parameters(); }
  const std::vector<ops::Buffer>& buffers() const { return layers_.buffers(); }

 private:
  struct Separable {
    Convolution depthwise, pointwise;
    Norm norm;
  };
  struct Block {
    std::vector<Separable> steps;
    bool relu_first = true;  // before the first step; before the others always
    bool shrinks = false;    // pool and a strided shortcut
    Convolution skip;
    Norm skip_norm;
  };
  Separable AddSeparable(const std::string& name, const std::string& norm, int64_t in, int64_t out);
  Block AddBlock(const std::string& name, const std::vector<int64_t>& channels, bool relu_first,
                 bool shrinks);
  at::Tensor Apply(const Separable& step, const at::Tensor& x) const;
  at::Tensor Apply(const Block& block, const at::Tensor& x) const;

  const double dropout_;
  Layers layers_;
  Convolution conv1_, conv2_;
  Norm bn1_, bn2_;
  std::vector<Block> blocks_;
  Separable conv3_, conv4_;
  Dense fc1_, fc2_, fc3_;
};

}  // namespace stemma::models
