// ResNet-50 v1.5: the stride 2 of a down-sampling block sits in its 3x3 convolution. The tensors
// are torchvision's, by name, shape and order, so weights come and go without a mapping:
// 25,557,032 parameters in 161 tensors and 159 buffers (tests/golden/data/resnet50_tensors.json).
//
//   ResNet50 network({}, seed);
//   at::Tensor logits = network.Forward(images);              // [N, 3, H, W] -> [N, 1000]
//   at::Tensor loss = SumOfCrossEntropy(logits, labels);      // the sum over samples
//
// Convolutions start He-normal over fan-out, norms with scale 1 and shift 0, `fc` as nn.Linear
// does,
// +-1/sqrt(2048). With `zero_gamma` the last norm of each block starts with scale 0, so a block
// begins as its shortcut (arXiv:1706.02677; LAMB's published runs use it). Batch norm: epsilon
// 1e-5, momentum 0.1 in torch's sense. Images of any size from 32 up; the network is for 224.
//
// Thread: one at a time. LibTorch's exceptions leave Forward.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "models/layers/layers.h"
#include "models/layers/losses.h"
#include "ops/parameter.h"

namespace stemma::models {

struct ResNet50Shape {
  int64_t classes = 1000;
  bool zero_gamma = false;
  bool channels_last = false;  // weights and, inside Forward, images
};

class ResNet50 {
 public:
  ResNet50(const ResNet50Shape& shape, uint64_t seed);

  at::Tensor Forward(const at::Tensor& images);
  void SetTraining(bool training) { layers_.SetTraining(training); }
  // Forward asks it for each parameter before it uses it; null: nobody.
  void UseGate(Gate* gate) { layers_.UseGate(gate); }
  // Moves all tensors; before anybody else holds them.
  void To(at::Device device) { layers_.To(device); }

  // torchvision's order: "conv1.weight", ..., "layer1.0.downsample.1.bias", ..., "fc.bias".
  const std::vector<ops::Parameter>& parameters() const { return layers_.parameters(); }
  // "bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked", ...: statistics are averaged
  // over ranks, counters are not.
  const std::vector<ops::Buffer>& buffers() const { return layers_.buffers(); }

 private:
  struct Block {
    Convolution conv1, conv2, conv3, down;
    Norm bn1, bn2, bn3, down_bn;
    bool has_down = false;
  };
  Block AddBlock(const std::string& name, int64_t in, int64_t width, int64_t stride, bool down);
  at::Tensor Apply(const Block& block, const at::Tensor& x) const;

  const ResNet50Shape shape_;
  Layers layers_;
  Convolution conv1_;
  Norm bn1_;
  std::vector<Block> blocks_;
  Dense fc_;
};

}  // namespace stemma::models
