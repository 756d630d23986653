#include "models/vgg16/network.h"

#include <ATen/ATen.h>

#include <string>

namespace stemma::models {
namespace {

constexpr int64_t kPooled = 7, kDense = 4096;

Fill NormalHundredth(const std::vector<int64_t>&) { return {Fill::Kind::kNormal, 0.01}; }

}  // namespace

Vgg16::Vgg16(const Vgg16Shape& shape, uint64_t seed)
    : dropout_(shape.dropout), layers_(seed, NormRule()) {
  const std::vector<std::vector<int64_t>> widths = {
      {64, 64}, {128, 128}, {256, 256, 256}, {512, 512, 512}, {512, 512, 512}};
  int64_t in = 3, place = 0;  // in torchvision's Sequential, which counts ReLUs and pools
  for (const auto& stage : widths) {
    stages_.emplace_back();
    for (const int64_t out : stage) {
      stages_.back().push_back(layers_.AddConvolution("features." + std::to_string(place),
                                                      {in, out, 3, 1, 1, 1, true}, HeNormal));
      in = out;
      place += 2;
    }
    ++place;
  }
  fc0_ = layers_.AddDense("classifier.0", in * kPooled * kPooled, kDense, NormalHundredth, Zeros);
  fc3_ = layers_.AddDense("classifier.3", kDense, kDense, NormalHundredth, Zeros);
  fc6_ = layers_.AddDense("classifier.6", kDense, shape.classes, NormalHundredth, Zeros);
}

at::Tensor Vgg16::Forward(const at::Tensor& images) {
  at::Tensor x = images;
  for (const auto& stage : stages_) {
    for (const Convolution& layer : stage) x = layers_.Convolve(layer, x).relu_();
    x = at::max_pool2d(x, {2, 2}, {2, 2});
  }
  x = at::adaptive_avg_pool2d(x, {kPooled, kPooled}).flatten(1);
  const bool training = layers_.training();
  x = at::dropout(layers_.Multiply(fc0_, x).relu_(), dropout_, training);
  x = at::dropout(layers_.Multiply(fc3_, x).relu_(), dropout_, training);
  return layers_.Multiply(fc6_, x);
}

}  // namespace stemma::models
