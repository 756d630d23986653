#include "models/bench_nets/networks.h"

#include <ATen/ATen.h>

#include <string>

namespace stemma::models {
namespace {

constexpr double kTinyStep = 1e-3;

}  // namespace

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
