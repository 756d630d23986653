#include "models/aigw/network.h"

#include <ATen/ATen.h>

#include <cmath>
#include <utility>

#include "core/random.h"

namespace stemma::models {

namespace {

constexpr int64_t kChannels = 16;  // of the residual path
constexpr int64_t kGated = 32;     // of the two gated branches
constexpr int64_t kHeadChannels = 128;
constexpr int64_t kDense = 512;
constexpr int64_t kDilations[] = {1, 2, 4, 8, 16, 32, 64, 128};
constexpr double kNormEpsilon = 1e-3;
constexpr double kNormMomentum = 0.01;  // the share of the new batch

// Glorot uniform: +-sqrt(6 / (fan_in + fan_out)), where a convolution's fans count its taps.
at::Tensor Glorot(const std::string& name, const std::vector<int64_t>& shape, uint64_t seed) {
  const double taps = shape.size() == 3 ? static_cast<double>(shape[2]) : 1;
  const double fans = static_cast<double>(shape[0] + shape[1]) * taps;
  const double limit = std::sqrt(6 / fans);
  at::Tensor tensor = at::empty(shape, at::kFloat);
  Random draw(Key({seed}), name);
  float* values = tensor.mutable_data_ptr<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    values[i] = static_cast<float>(limit * (2 * draw.Uniform() - 1));
  }
  return tensor;
}

}  // namespace

AigwLoss SumOfLosses(const AigwOutput& output, const at::Tensor& y) {
  const at::Tensor q = (output.q - y.narrow(1, 0, 1)).square().sum();
  const at::Tensor ap = (output.ap - y.narrow(1, 1, 4)).square().mean(1).sum();
  return {q + ap, q.detach(), ap.detach()};
}

at::Tensor DilatedSame(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                       int64_t dilation) {
  if (dilation % 2 == 0) return at::conv1d(x, weight, bias, 1, dilation / 2, dilation);
  const at::Tensor padded = at::constant_pad_nd(x, {dilation / 2, dilation - dilation / 2});
  return at::conv1d(padded, weight, bias, 1, at::IntArrayRef{0}, dilation);
}

AigwNetwork::AigwNetwork(const AigwShape& shape, uint64_t seed) : shape_(shape) {
  int64_t in = 1;
  for (int i = 0; i < 16; ++i) {
    const std::string name = "block" + std::to_string(i) + ".";
    Block block;
    block.dilation = kDilations[i % 8];
    block.pre = AddWeights(name + "pre", {kChannels, in, 1}, seed);
    block.pre_bn = AddNorm(name + "pre_bn", kChannels);
    block.filter = AddWeights(name + "filter", {kGated, kChannels, 2}, seed);
    block.filter_bn = AddNorm(name + "filter_bn", kGated);
    block.gate = AddWeights(name + "gate", {kGated, kChannels, 2}, seed);
    block.gate_bn = AddNorm(name + "gate_bn", kGated);
    block.post = AddWeights(name + "post", {kChannels, kGated, 1}, seed);
    block.post_bn = AddNorm(name + "post_bn", kChannels);
    blocks_.push_back(block);
    in = kChannels;
  }
  conv1_ = AddWeights("head.conv1", {kHeadChannels, kChannels, 1}, seed);
  bn1_ = AddNorm("head.bn1", kHeadChannels);
  conv2_ = AddWeights("head.conv2", {1, kHeadChannels, 1}, seed);
  bn2_ = AddNorm("head.bn2", 1);
  q_fc1_ = AddWeights("q.fc1", {kDense, shape.last}, seed);
  q_fc2_ = AddWeights("q.fc2", {1, kDense}, seed);
  ap_fc1_ = AddWeights("ap.fc1", {kDense, shape.last}, seed);
  ap_fc2_ = AddWeights("ap.fc2", {4, kDense}, seed);
  for (ops::Parameter& parameter : parameters_) parameter.tensor.set_requires_grad(true);
}

AigwNetwork::Layer AigwNetwork::AddWeights(const std::string& name, std::vector<int64_t> shape,
                                           uint64_t seed) {
  Layer layer;
  layer.weight = parameters_.size();
  layer.bias = layer.weight + 1;
  const std::string weight = name + ".weight";
  parameters_.push_back({weight, ops::ParameterRole::kWeight, Glorot(weight, shape, seed)});
  parameters_.push_back(
      {name + ".bias", ops::ParameterRole::kBias, at::zeros({shape[0]}, at::kFloat)});
  return layer;
}

AigwNetwork::Layer AigwNetwork::AddNorm(const std::string& name, int64_t channels) {
  const Layer layer = {parameters_.size(), parameters_.size() + 1, buffers_.size(),
                       buffers_.size() + 1};
  const auto filled = [&](double value) { return at::full({channels}, value, at::kFloat); };
  parameters_.push_back({name + ".weight", ops::ParameterRole::kNormScale, filled(1)});
  parameters_.push_back({name + ".bias", ops::ParameterRole::kNormShift, filled(0)});
  buffers_.push_back({name + ".running_mean", filled(0), true});
  buffers_.push_back({name + ".running_var", filled(1), true});
  return layer;
}

void AigwNetwork::To(at::Device device) {
  for (ops::Parameter& parameter : parameters_) {
    parameter.tensor = parameter.tensor.detach().to(device).set_requires_grad(true);
  }
  for (ops::Buffer& buffer : buffers_) buffer.tensor = buffer.tensor.to(device);
}

at::Tensor AigwNetwork::Parameter(size_t i) const {
  if (gate_ != nullptr) gate_->Await(i);
  return parameters_[i].tensor;
}

at::Tensor AigwNetwork::Pointwise(const at::Tensor& x, const Layer& conv) const {
  return at::conv1d(x, Parameter(conv.weight), Parameter(conv.bias));
}

at::Tensor AigwNetwork::Norm(const at::Tensor& x, const Layer& norm) {
  return at::batch_norm(x, Parameter(norm.weight), Parameter(norm.bias), buffers_[norm.mean].tensor,
                        buffers_[norm.variance].tensor, training_, kNormMomentum, kNormEpsilon,
                        at::globalContext().userEnabledCuDNN());
}

at::Tensor AigwNetwork::Dense(const at::Tensor& x, const Layer& layer) const {
  return at::linear(x, Parameter(layer.weight), Parameter(layer.bias));
}

AigwOutput AigwNetwork::Forward(const at::Tensor& input) {
  at::Tensor x = input, skip;
  for (const Block& b : blocks_) {
    x = Norm(Pointwise(x, b.pre), b.pre_bn).relu_();
    const auto branch = [&](const Layer& conv, const Layer& norm) {
      return Norm(DilatedSame(x, Parameter(conv.weight), Parameter(conv.bias), b.dilation), norm);
    };
    const at::Tensor gated =
        branch(b.filter, b.filter_bn).tanh_() * branch(b.gate, b.gate_bn).sigmoid_();
    const at::Tensor z = Norm(Pointwise(gated, b.post), b.post_bn).relu_();
    x = x + z;
    skip = skip.defined() ? skip + z : z;
  }
  at::Tensor o = Norm(Pointwise(skip.relu(), conv1_), bn1_).relu_();
  o = Norm(Pointwise(at::dropout(o, shape_.dropout, training_), conv2_), bn2_);
  o = o.select(1, 0);
  o = o.narrow(1, o.size(1) - shape_.last, shape_.last);
  return {Dense(Dense(o, q_fc1_).relu_(), q_fc2_), Dense(Dense(o, ap_fc1_).relu_(), ap_fc2_)};
}

}  // namespace stemma::models
