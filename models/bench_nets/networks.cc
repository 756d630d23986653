#include "models/bench_nets/networks.h"

#include <ATen/ATen.h>

#include <string>

namespace stemma::models {
namespace {

constexpr double kVggDropout = 0.5;
constexpr double kTinyStep = 1e-3;

}  // namespace

Vgg16::Vgg16(uint64_t seed) : layers_(seed, NormRule()) {
  const std::vector<std::vector<int64_t>> widths = {
      {64, 64}, {128, 128}, {256, 256, 256}, {512, 512, 512}, {512, 512, 512}};
  int64_t in = 3, place = 0;  // in torchvision's Sequential, which counts ReLUs and pools
  for (const auto& stage : widths) {
    stages_.emplace_back();
    for (const int64_t out : stage) {
      stages_.back().push_back(layers_.AddConvolution(
          "features." + std::to_string(place), {in, out, 3, 1, 1, 1, true}, InverseRootUniform));
      in = out;
      place += 2;
    }
    ++place;
  }
  fc0_ = layers_.AddDense("classifier.0", 512 * 7 * 7, 4096, InverseRootUniform, Zeros);
  fc3_ = layers_.AddDense("classifier.3", 4096, 4096, InverseRootUniform, Zeros);
  fc6_ = layers_.AddDense("classifier.6", 4096, 1000, InverseRootUniform, Zeros);
}

at::Tensor Vgg16::Forward(const at::Tensor& images) {
  at::Tensor x = images;
  for (const auto& stage : stages_) {
    for (const Convolution& layer : stage) x = layers_.Convolve(layer, x).relu_();
    x = at::max_pool2d(x, {2, 2}, {2, 2});
  }
  x = at::adaptive_avg_pool2d(x, {7, 7}).flatten(1);
  const bool training = layers_.training();
  x = at::dropout(layers_.Multiply(fc0_, x).relu_(), kVggDropout, training);
  x = at::dropout(layers_.Multiply(fc3_, x).relu_(), kVggDropout, training);
  return layers_.Multiply(fc6_, x);
}

Mlp::Mlp(uint64_t seed) : layers_(seed, NormRule()) {
  const std::vector<int64_t> widths = {kIn, kHidden, kHidden, kHidden, kOut};
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    dense_.push_back(layers_.AddDense("fc" + std::to_string(i), widths[i], widths[i + 1],
                                      InverseRootUniform, Zeros));
  }
}

at::Tensor Mlp::Forward(const at::Tensor& input) {
  at::Tensor x = input;
  for (size_t i = 0; i < dense_.size(); ++i) {
    x = layers_.Multiply(dense_[i], x);
    if (i + 1 < dense_.size()) x.relu_();
  }
  return x;
}

Tiny::Tiny(uint64_t seed) : layers_(seed, NormRule()) {
  const Fill start = {Fill::Kind::kUniform, 0.1};
  for (int64_t i = 0; i < kTensors; ++i) {
    layers_.AddParameter("w" + std::to_string(i), ops::ParameterRole::kWeight, {kWidth}, start);
  }
}

at::Tensor Tiny::Forward(const at::Tensor& input) {
  at::Tensor x = input;
  for (size_t i = 0; i < static_cast<size_t>(kTensors); ++i) {
    x = at::addcmul(x, x, layers_.tensor(i), kTinyStep);
  }
  return x;
}

}  // namespace stemma::models
