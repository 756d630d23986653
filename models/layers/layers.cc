#include "models/layers/layers.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/random.h"

namespace stemma::models {
namespace {

double Taps(const std::vector<int64_t>& shape) {
  double taps = 1;
  for (size_t i = 2; i < shape.size(); ++i) taps *= static_cast<double>(shape[i]);
  return taps;
}

at::Tensor Filled(const std::string& name, const std::vector<int64_t>& shape, const Fill& fill,
                  uint64_t seed) {
  if (fill.kind == Fill::Kind::kConstant) return at::full(shape, fill.scale, at::kFloat);
  at::Tensor tensor = at::empty(shape, at::kFloat);
  Random draw(Key({seed}), name);
  float* values = tensor.mutable_data_ptr<float>();
  const bool normal = fill.kind == Fill::Kind::kNormal;
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    values[i] = static_cast<float>(fill.scale * (normal ? draw.Normal() : 2 * draw.Uniform() - 1));
  }
  return tensor;
}

}  // namespace

Fill HeNormal(const std::vector<int64_t>& shape) {
  return {Fill::Kind::kNormal, std::sqrt(2 / (static_cast<double>(shape[0]) * Taps(shape)))};
}

Fill GlorotUniform(const std::vector<int64_t>& shape) {
  const double fans = static_cast<double>(shape[0] + shape[1]) * Taps(shape);
  return {Fill::Kind::kUniform, std::sqrt(6 / fans)};
}

Fill InverseRootUniform(const std::vector<int64_t>& shape) {
  const double fan_in = static_cast<double>(shape[1]) * Taps(shape);
  return {Fill::Kind::kUniform, 1 / std::sqrt(fan_in)};
}

Fill Zeros(const std::vector<int64_t>&) { return {Fill::Kind::kConstant, 0}; }
Fill Ones(const std::vector<int64_t>&) { return {Fill::Kind::kConstant, 1}; }

size_t Layers::AddParameter(const std::string& name, ops::ParameterRole role,
                            const std::vector<int64_t>& shape, const Fill& fill) {
  at::Tensor tensor = Filled(name, shape, fill, seed_);
  tensor.set_requires_grad(true);
  parameters_.push_back({name, role, std::move(tensor)});
  return parameters_.size() - 1;
}

Convolution Layers::AddConvolution(const std::string& name, const ConvolutionShape& shape,
                                   FillRule fill) {
  const std::vector<int64_t> sizes = {shape.out, shape.in / shape.groups, shape.kernel,
                                      shape.kernel};
  Convolution layer;
  layer.shape = shape;
  layer.weight = AddParameter(name + ".weight", ops::ParameterRole::kWeight, sizes, fill(sizes));
  if (shape.bias) {
    layer.bias = AddParameter(name + ".bias", ops::ParameterRole::kBias, {shape.out}, {});
  }
  return layer;
}

Norm Layers::AddNorm(const std::string& name, int64_t channels, FillRule scale) {
  Norm layer;
  layer.scale =
      AddParameter(name + ".weight", ops::ParameterRole::kNormScale, {channels}, scale({channels}));
  layer.shift = AddParameter(name + ".bias", ops::ParameterRole::kNormShift, {channels}, {});
  layer.mean = buffers_.size();
  buffers_.push_back({name + ".running_mean", at::zeros({channels}, at::kFloat), true});
  layer.variance = buffers_.size();
  buffers_.push_back({name + ".running_var", at::ones({channels}, at::kFloat), true});
  layer.count = buffers_.size();
  if (norm_.counts_batches) {
    buffers_.push_back({name + ".num_batches_tracked", at::zeros({}, at::kLong), false});
  }
  return layer;
}

Dense Layers::AddDense(const std::string& name, int64_t in, int64_t out, FillRule weight,
                       FillRule bias) {
  Dense layer;
  layer.weight =
      AddParameter(name + ".weight", ops::ParameterRole::kWeight, {out, in}, weight({out, in}));
  layer.bias = AddParameter(name + ".bias", ops::ParameterRole::kBias, {out}, bias({out, in}));
  return layer;
}

at::Tensor Layers::Convolve(const Convolution& layer, const at::Tensor& x) const {
  const ConvolutionShape& s = layer.shape;
  const c10::optional<at::Tensor> bias =
      s.bias ? c10::optional<at::Tensor>(tensor(layer.bias)) : c10::nullopt;
  return at::conv2d(x, tensor(layer.weight), bias, at::IntArrayRef{s.stride, s.stride},
                    at::IntArrayRef{s.padding, s.padding}, at::IntArrayRef{1, 1}, s.groups);
}

at::Tensor Layers::Normalize(const Norm& layer, const at::Tensor& x) const {
  const bool of_batch = training_ && parameters_[layer.scale].tensor.requires_grad();
  if (of_batch && norm_.counts_batches) {
    at::Tensor count = buffers_[layer.count].tensor;
    count.add_(1);
  }
  return at::batch_norm(x, tensor(layer.scale), tensor(layer.shift), buffers_[layer.mean].tensor,
                        buffers_[layer.variance].tensor, of_batch, norm_.momentum, norm_.epsilon,
                        at::globalContext().userEnabledCuDNN());
}

at::Tensor Layers::Multiply(const Dense& layer, const at::Tensor& x) const {
  return at::linear(x, tensor(layer.weight), tensor(layer.bias));
}

size_t Layers::FreezeBefore(const std::string& prefix) {
  const auto first =
      std::find_if(parameters_.begin(), parameters_.end(), [&](const ops::Parameter& parameter) {
        return parameter.name.compare(0, prefix.size(), prefix) == 0;
      });
  STEMMA_CHECK(first != parameters_.end(), "no parameter's name begins with " + prefix);
  for (auto it = parameters_.begin(); it != first; ++it) it->tensor.set_requires_grad(false);
  return static_cast<size_t>(first - parameters_.begin());
}

void Layers::To(at::Device device) {
  for (ops::Parameter& parameter : parameters_) {
    parameter.tensor = parameter.tensor.detach().to(device).set_requires_grad(true);
  }
  for (ops::Buffer& buffer : buffers_) buffer.tensor = buffer.tensor.to(device);
}

void Layers::UseChannelsLast() {
  for (ops::Parameter& parameter : parameters_) {
    if (parameter.tensor.dim() != 4) continue;
    parameter.tensor = parameter.tensor.detach()
                           .contiguous(at::MemoryFormat::ChannelsLast)
                           .set_requires_grad(true);
  }
}

}  // namespace stemma::models
