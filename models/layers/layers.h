// What convolutional networks are made of: convolutions, batch norms and dense layers as named
// tensors, with the functions that apply them. A network is a list of such layers and a Forward.
//
//   Layers layers(seed, NormRule{1e-5, 0.1, true});
//   const Convolution conv1 = layers.AddConvolution("conv1", {3, 64, 7, 2, 3}, HeNormal);
//   const Norm bn1 = layers.AddNorm("bn1", 64);
//   x = layers.Normalize(bn1, layers.Convolve(conv1, x)).relu_();
//
// Not torch::nn: names, roles and order are a contract with recorded states, and a plain list says
// them without a registry. Initial values depend on (seed, parameter's name) alone.
//
// Parameters keep their identity for the network's life; a Reducer may move their storage. Thread:
// one at a time. LibTorch's exceptions leave every function.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "models/train/gate.h"
#include "ops/parameter.h"

namespace stemma::models {

// How a weight [out, in / groups, taps...] begins.
struct Fill {
  enum class Kind { kConstant, kNormal, kUniform };
  Kind kind = Kind::kConstant;
  double scale = 0;  // the constant, the standard deviation, or half the interval's width
};
using FillRule = Fill (*)(const std::vector<int64_t>& shape);

Fill HeNormal(const std::vector<int64_t>& shape);       // N(0, 2 / (out * taps)): fan-out, ReLU
Fill GlorotUniform(const std::vector<int64_t>& shape);  // +-sqrt(6 / (fan_in + fan_out))
Fill InverseRootUniform(const std::vector<int64_t>& shape);  // +-1 / sqrt(fan_in): nn.Linear's
Fill Zeros(const std::vector<int64_t>& shape);
Fill Ones(const std::vector<int64_t>& shape);

struct NormRule {
  double epsilon = 1e-5;
  double momentum = 0.1;       // the share of the new batch, torch's sense
  bool counts_batches = true;  // keep num_batches_tracked, as torchvision does
};

struct ConvolutionShape {
  int64_t in = 0, out = 0;
  int64_t kernel = 1, stride = 1, padding = 0, groups = 1;
  bool bias = false;
};

// Positions in parameters() and buffers().
struct Convolution {
  ConvolutionShape shape;
  size_t weight = 0, bias = 0;  // bias: only when shape.bias
};
struct Norm {
  size_t scale = 0, shift = 0, mean = 0, variance = 0, count = 0;
};
struct Dense {
  size_t weight = 0, bias = 0;
};

class Layers {
 public:
  Layers(uint64_t seed, const NormRule& norm) : seed_(seed), norm_(norm) {}

  // `name`.weight [out, in / groups, k, k] and, if asked for, `name`.bias, zero.
  Convolution AddConvolution(const std::string& name, const ConvolutionShape& shape, FillRule fill);
  // `name`.weight and .bias [channels]; running_mean and running_var, averaged over ranks.
  Norm AddNorm(const std::string& name, int64_t channels, FillRule scale = Ones);
  // `name`.weight [out, in], `name`.bias [out]; both rules are given [out, in].
  Dense AddDense(const std::string& name, int64_t in, int64_t out, FillRule weight, FillRule bias);
  // Any other tensor.
  size_t AddParameter(const std::string& name, ops::ParameterRole role,
                      const std::vector<int64_t>& shape, const Fill& fill);

  at::Tensor Convolve(const Convolution& layer, const at::Tensor& x) const;
  // Of the batch when training (running statistics move), else with the running statistics. A
  // frozen norm, whose scale needs no gradient, keeps and uses its running ones always.
  at::Tensor Normalize(const Norm& layer, const at::Tensor& x) const;
  at::Tensor Multiply(const Dense& layer, const at::Tensor& x) const;
  at::Tensor tensor(size_t parameter) const {
    if (gate_ != nullptr) gate_->Await(parameter);
    return parameters_[parameter].tensor;
  }

  void SetTraining(bool training) { training_ = training; }
  bool training() const { return training_; }
  // Whoever applies a layer asks it first for the layer's parameters; null: nobody.
  void UseGate(Gate* gate) { gate_ = gate; }
  // Parameters added before the first one whose name begins so need no gradient from now on; how
  // many those are. REQUIRES: there is such a name; after To and UseChannelsLast
  size_t FreezeBefore(const std::string& prefix);
  // Both before anybody else holds the tensors.
  void To(at::Device device);
  void UseChannelsLast();  // of 4-D weights: give inputs in the same format

  const std::vector<ops::Parameter>& parameters() const { return parameters_; }
  const std::vector<ops::Buffer>& buffers() const { return buffers_; }

 private:
  const uint64_t seed_;
  const NormRule norm_;
  bool training_ = true;
  Gate* gate_ = nullptr;
  std::vector<ops::Parameter> parameters_;
  std::vector<ops::Buffer> buffers_;
};

}  // namespace stemma::models
