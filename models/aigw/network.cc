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

// Activations are [1, C, N * T]: a channel's values of all samples lie in a row. A convolution is
// then one product of matrices and a batch norm goes along rows, where a convolution of [N, C, T]
// with so few channels spends most of its time on laying values out anew.

// W x + b at each position: weight [O, C].
at::Tensor Mixed(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::addmm(bias.unsqueeze(1), weight, x.squeeze(0)).unsqueeze(0);
}

// What every output of a dilated convolution sees, [1, 2 C, N * T], from [C, N, T]: the left taps,
// then the right ones.
at::Tensor BothTaps(const at::Tensor& x, int64_t dilation) {
  const at::Tensor padded = at::constant_pad_nd(x, {dilation / 2, dilation - dilation / 2});
  const int64_t samples = x.size(2);
  const at::Tensor taps =
      at::cat({padded.narrow(2, 0, samples), padded.narrow(2, dilation, samples)}, 0);
  return taps.view({1, 2 * x.size(0), -1});
}

// Of both taps at once: weight [O, C, 2].
at::Tensor Dilated(const at::Tensor& taps, const at::Tensor& weight, const at::Tensor& bias) {
  return Mixed(taps, weight.transpose(1, 2).flatten(1), bias);
}

// [N, C, T] as [1, C, N * T], and back.
at::Tensor AsRows(const at::Tensor& x) {
  return x.transpose(0, 1).reshape({1, x.size(1), x.size(0) * x.size(2)});
}
at::Tensor FromRows(const at::Tensor& rows, int64_t samples) {
  return rows.view({rows.size(1), samples, -1}).transpose(0, 1).contiguous();
}

}  // namespace

AigwLoss SumOfLosses(const AigwOutput& output, const at::Tensor& y) {
  const at::Tensor q = (output.q - y.narrow(1, 0, 1)).square().sum();
  const at::Tensor ap = (output.ap - y.narrow(1, 1, 4)).square().mean(1).sum();
  return {q + ap, q.detach(), ap.detach()};
}

at::Tensor DilatedSame(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                       int64_t dilation) {
  return Dilated(BothTaps(x.transpose(0, 1), dilation), weight, bias)
      .view({-1, x.size(0), x.size(2)})
      .transpose(0, 1);
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
  const at::Tensor weight = Parameter(conv.weight);
  return Mixed(x, weight.squeeze(2), Parameter(conv.bias));
}

at::Tensor AigwNetwork::Norm(const at::Tensor& x, const Layer& norm, Activation then) {
  const at::Tensor weight = Parameter(norm.weight);
  return NormThen(
      then, x,
      {weight, Parameter(norm.bias), buffers_[norm.mean].tensor, buffers_[norm.variance].tensor},
      training_);
}

at::Tensor AigwNetwork::Dense(const at::Tensor& x, const Layer& layer) const {
  return at::linear(x, Parameter(layer.weight), Parameter(layer.bias));
}

AigwOutput AigwNetwork::Forward(const at::Tensor& input) {
  const int64_t count = input.size(0);
  at::Tensor x = AsRows(input), skip;
  for (const Block& b : blocks_) {
    x = Norm(Pointwise(x, b.pre), b.pre_bn, Activation::kRelu);
    const at::Tensor taps = BothTaps(x.view({kChannels, count, -1}), b.dilation);
    const auto branch = [&](const Layer& conv, const Layer& norm, Activation then) {
      const at::Tensor weight = Parameter(conv.weight);
      return Norm(Dilated(taps, weight, Parameter(conv.bias)), norm, then);
    };
    const at::Tensor gated = branch(b.filter, b.filter_bn, Activation::kTanh) *
                             branch(b.gate, b.gate_bn, Activation::kLogistic);
    const at::Tensor z = Norm(Pointwise(gated, b.post), b.post_bn, Activation::kRelu);
    x = x + z;
    skip = skip.defined() ? skip + z : z;
  }
  at::Tensor o = Norm(Pointwise(skip.relu(), conv1_), bn1_, Activation::kRelu);
  if (training_ && shape_.dropout > 0) {  // drawn in the order of [N, C, T]
    o = AsRows(at::dropout(FromRows(o, count), shape_.dropout, true));
  }
  o = Norm(Pointwise(o, conv2_), bn2_, Activation::kNone).view({count, -1});
  o = o.narrow(1, o.size(1) - shape_.last, shape_.last);
  return {Dense(Dense(o, q_fc1_).relu_(), q_fc2_), Dense(Dense(o, ap_fc1_).relu_(), ap_fc2_)};
}

}  // namespace stemma::models
