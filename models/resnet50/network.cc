#include "models/resnet50/network.h"

#include <ATen/ATen.h>

namespace stemma::models {
namespace {

constexpr int64_t kExpansion = 4;
constexpr int kBlocks[] = {3, 4, 6, 3};
constexpr NormRule kNorm = {1e-5, 0.1, true};

}  // namespace

ResNet50::ResNet50(const ResNet50Shape& shape, uint64_t seed)
    : shape_(shape), layers_(seed, kNorm) {
  conv1_ = layers_.AddConvolution("conv1", {3, 64, 7, 2, 3}, HeNormal);
  bn1_ = layers_.AddNorm("bn1", 64);
  int64_t in = 64;
  for (int stage = 0; stage < 4; ++stage) {
    const int64_t width = int64_t{64} << stage;
    for (int block = 0; block < kBlocks[stage]; ++block) {
      const std::string name =
          "layer" + std::to_string(stage + 1) + "." + std::to_string(block) + ".";
      const int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      blocks_.push_back(AddBlock(name, in, width, stride, block == 0));
      in = kExpansion * width;
    }
  }
  fc_ = layers_.AddDense("fc", in, shape.classes, InverseRootUniform, InverseRootUniform);
  if (shape.channels_last) layers_.UseChannelsLast();
}

ResNet50::Block ResNet50::AddBlock(const std::string& name, int64_t in, int64_t width,
                                   int64_t stride, bool down) {
  const int64_t out = kExpansion * width;
  Block block;
  block.conv1 = layers_.AddConvolution(name + "conv1", {in, width, 1}, HeNormal);
  block.bn1 = layers_.AddNorm(name + "bn1", width);
  block.conv2 = layers_.AddConvolution(name + "conv2", {width, width, 3, stride, 1}, HeNormal);
  block.bn2 = layers_.AddNorm(name + "bn2", width);
  block.conv3 = layers_.AddConvolution(name + "conv3", {width, out, 1}, HeNormal);
  block.bn3 = layers_.AddNorm(name + "bn3", out, shape_.zero_gamma ? Zeros : Ones);
  block.has_down = down;
  if (down) {
    block.down = layers_.AddConvolution(name + "downsample.0", {in, out, 1, stride}, HeNormal);
    block.down_bn = layers_.AddNorm(name + "downsample.1", out);
  }
  return block;
}

at::Tensor ResNet50::Apply(const Block& block, const at::Tensor& x) const {
  at::Tensor y = layers_.Normalize(block.bn1, layers_.Convolve(block.conv1, x)).relu_();
  y = layers_.Normalize(block.bn2, layers_.Convolve(block.conv2, y)).relu_();
  y = layers_.Normalize(block.bn3, layers_.Convolve(block.conv3, y));
  const at::Tensor shortcut =
      block.has_down ? layers_.Normalize(block.down_bn, layers_.Convolve(block.down, x)) : x;
  return y.add_(shortcut).relu_();
}

at::Tensor ResNet50::Forward(const at::Tensor& images) {
  at::Tensor x = images;
  if (shape_.channels_last) x = x.contiguous(at::MemoryFormat::ChannelsLast);
  x = layers_.Normalize(bn1_, layers_.Convolve(conv1_, x)).relu_();
  x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
  for (const Block& block : blocks_) x = Apply(block, x);
  return layers_.Multiply(fc_, at::adaptive_avg_pool2d(x, {1, 1}).flatten(1));
}

}  // namespace stemma::models
