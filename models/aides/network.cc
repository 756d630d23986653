#include "models/aides/network.h"

#include <ATen/ATen.h>

#include <limits>

namespace stemma::models {
namespace {

constexpr int64_t kDense = 1024;
constexpr NormRule kNorm = {1e-3, 0.01, false};

// A depthwise kernel is [channels, 1, 3, 3] here and (3, 3, channels, 1) in Keras, whose fans are
// then those of one input channel per output: 9 * channels and 9.
Fill GlorotDepthwise(const std::vector<int64_t>& shape) {
  return GlorotUniform({1, shape[0], shape[2], shape[3]});
}

}  // namespace

at::Tensor PoolSame(const at::Tensor& x) {
  const auto padding = [](int64_t n) { return n % 2 == 0 ? 1 : 2; };  // in all; right gets more
  const int64_t high = padding(x.size(2)), wide = padding(x.size(3));
  const at::Tensor padded =
      at::constant_pad_nd(x, {wide / 2, wide - wide / 2, high / 2, high - high / 2},
                          -std::numeric_limits<double>::infinity());
  return at::max_pool2d(padded, {3, 3}, {2, 2});
}

AidesNetwork::AidesNetwork(uint64_t seed, double dropout)
    : dropout_(dropout), layers_(seed, kNorm) {
  conv1_ = layers_.AddConvolution("conv1", {3, 32, 3, 2}, GlorotUniform);
  bn1_ = layers_.AddNorm("bn1", 32);
  conv2_ = layers_.AddConvolution("conv2", {32, 64, 3}, GlorotUniform);
  bn2_ = layers_.AddNorm("bn2", 64);
  blocks_.push_back(AddBlock("block1", {64, 128, 128}, false, true));
  blocks_.push_back(AddBlock("block2", {128, 256, 256}, true, true));
  blocks_.push_back(AddBlock("block3", {256, 728, 728}, true, true));
  for (int i = 4; i <= 11; ++i) {
    blocks_.push_back(AddBlock("block" + std::to_string(i), {728, 728, 728, 728}, true, false));
  }
  blocks_.push_back(AddBlock("block12", {728, 728, 1024}, true, true));
  conv3_ = AddSeparable("conv3", "bn3", 1024, 1536);
  conv4_ = AddSeparable("conv4", "bn4", 1536, 2048);
  fc1_ = layers_.AddDense("head.fc1", 2048, kDense, GlorotUniform, Zeros);
  fc2_ = layers_.AddDense("head.fc2", kDense, kDense, GlorotUniform, Zeros);
  fc3_ = layers_.AddDense("head.fc3", kDense, 2, GlorotUniform, Zeros);
}

AidesNetwork::Separable AidesNetwork::AddSeparable(const std::string& name, const std::string& norm,
                                                   int64_t in, int64_t out) {
  Separable step;
  step.depthwise = layers_.AddConvolution(name + ".conv1", {in, in, 3, 1, 1, in}, GlorotDepthwise);
  step.pointwise = layers_.AddConvolution(name + ".pointwise", {in, out, 1}, GlorotUniform);
  step.norm = layers_.AddNorm(norm, out);
  return step;
}

AidesNetwork::Block AidesNetwork::AddBlock(const std::string& name,
                                           const std::vector<int64_t>& channels, bool relu_first,
                                           bool shrinks) {
  Block block;
  block.relu_first = relu_first;
  block.shrinks = shrinks;
  if (shrinks) {
    block.skip = layers_.AddConvolution(name + ".skip", {channels.front(), channels.back(), 1, 2},
                                        GlorotUniform);
    block.skip_norm = layers_.AddNorm(name + ".skipbn", channels.back());
  }
  size_t place = relu_first ? 1 : 0;  // in timm's Sequential, which counts the ReLUs
  for (size_t i = 0; i + 1 < channels.size(); ++i, place += 3) {
    const std::string step = name + ".rep.";
    block.steps.push_back(AddSeparable(step + std::to_string(place),
                                       step + std::to_string(place + 1), channels[i],
                                       channels[i + 1]));
  }
  return block;
}

at::Tensor AidesNetwork::Apply(const Separable& step, const at::Tensor& x) const {
  return layers_.Normalize(step.norm,
                           layers_.Convolve(step.pointwise, layers_.Convolve(step.depthwise, x)));
}

at::Tensor AidesNetwork::Apply(const Block& block, const at::Tensor& x) const {
  at::Tensor y = x;
  for (size_t i = 0; i < block.steps.size(); ++i) {
    if (i > 0 || block.relu_first) y = y.relu();  // not in place: the shortcut reads x
    y = Apply(block.steps[i], y);
  }
  if (!block.shrinks) return y.add_(x);
  return PoolSame(y).add_(layers_.Normalize(block.skip_norm, layers_.Convolve(block.skip, x)));
}

AidesOutput AidesNetwork::Forward(const at::Tensor& images) {
  at::Tensor x = layers_.Normalize(bn1_, layers_.Convolve(conv1_, images)).relu_();
  x = layers_.Normalize(bn2_, layers_.Convolve(conv2_, x)).relu_();
  for (const Block& block : blocks_) x = Apply(block, x);
  x = Apply(conv3_, x).relu_();
  x = Apply(conv4_, x).relu_();
  x = at::adaptive_avg_pool2d(x, {1, 1}).flatten(1);
  x = at::dropout(layers_.Multiply(fc1_, x).relu_(), dropout_, layers_.training());
  const at::Tensor features = layers_.Multiply(fc2_, x).relu();
  return {layers_.Multiply(fc3_, features), features};
}

}  // namespace stemma::models
