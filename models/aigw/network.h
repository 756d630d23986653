// The network of Khan, Huerta and Das (arXiv:2004.09524): a modified WaveNet that reads the mass
// ratio and the spins of two black holes off their waveform. 16 gated residual blocks of dilated
// convolutions over the whole window, then two dense heads on its last `last` samples.
//
//   AigwNetwork network(AigwShape{10000}, seed);          // 10,295,576 parameters in 272 tensors
//   AigwOutput out = network.Forward(x);                  // x [N, 1, T], T >= last
//   AigwLoss loss = SumOfLosses(out, y);                  // y [N, 5]
//   loss.total.backward();
//
// The original is a Keras model, and its small print is part of it: every convolution is
// "same"-padded after TensorFlow's rule (not causal), batch norm has epsilon 1e-3 and keeps 0.99 of
// its running statistics, weights are Glorot uniform, biases zero. LibTorch's defaults are another
// network.
//
// Not a torch::nn::Module: names, roles and order are this project's contract, and a list of
// tensors says them without a registry. Parameters keep their identity for the network's life; a
// Reducer may move their storage.
//
// Thread: one at a time. LibTorch's exceptions leave Forward.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "models/aigw/norm.h"
#include "models/train/gate.h"
#include "ops/parameter.h"

namespace stemma::models {

struct AigwShape {
  int64_t last = 10000;  // samples at the window's end that the heads see
  double dropout = 0.2;  // share dropped before the last convolution
};

struct AigwOutput {
  at::Tensor q;   // [N, 1]
  at::Tensor ap;  // [N, 4]: s1, s2, chi_eff, S_eff
};

struct AigwLoss {
  at::Tensor total;  // scalar: q + ap, the sum over samples
  at::Tensor q;      // scalar, detached: sum over samples of (error of q)^2
  at::Tensor ap;     // scalar, detached: sum over samples of the mean square of the four errors
};

// Keras's MSE(q) + MSE(ap) with the mean over the batch taken out: the sum over samples.
AigwLoss SumOfLosses(const AigwOutput& output, const at::Tensor& y);

// Convolution with two taps, dilated, "same" after TensorFlow's rule: d/2 (rounded down) of padding
// left, the rest right, so output t sees inputs t - floor(d/2) and t + ceil(d/2).
at::Tensor DilatedSame(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                       int64_t dilation);

class AigwNetwork {
 public:
  // Initial values depend on (seed, parameter's name) alone.
  AigwNetwork(const AigwShape& shape, uint64_t seed);

  // Training mode: batch norm of the local batch (its running statistics move), dropout from
  // LibTorch's default generator. Evaluation mode: neither.
  AigwOutput Forward(const at::Tensor& x);
  void SetTraining(bool training) { training_ = training; }
  // Forward asks it for each parameter, in the order in which it uses them; null: nobody.
  void UseGate(Gate* gate) { gate_ = gate; }
  // Moves all tensors; before anybody else holds them.
  void To(at::Device device);

  // Registration order; "block3.gate.weight", "head.bn1.bias", "q.fc1.weight".
  const std::vector<ops::Parameter>& parameters() const { return parameters_; }
  // "block3.gate_bn.running_mean", ...; all averaged over ranks.
  const std::vector<ops::Buffer>& buffers() const { return buffers_; }

 private:
  struct Layer {  // positions in parameters_; a batch norm's statistics in buffers_
    size_t weight = 0, bias = 0, mean = 0, variance = 0;
  };
  struct Block {
    Layer pre, pre_bn, filter, filter_bn, gate, gate_bn, post, post_bn;
    int64_t dilation = 1;
  };

  Layer AddWeights(const std::string& name, std::vector<int64_t> shape, uint64_t seed);
  Layer AddNorm(const std::string& name, int64_t channels);
  at::Tensor Parameter(size_t i) const;
  at::Tensor Pointwise(const at::Tensor& x, const Layer& conv) const;
  at::Tensor Norm(const at::Tensor& x, const Layer& norm, Activation then);
  at::Tensor Dense(const at::Tensor& x, const Layer& layer) const;

  AigwShape shape_;
  bool training_ = true;
  Gate* gate_ = nullptr;
  std::vector<ops::Parameter> parameters_;
  std::vector<ops::Buffer> buffers_;
  std::vector<Block> blocks_;
  Layer conv1_, bn1_, conv2_, bn2_, q_fc1_, q_fc2_, ap_fc1_, ap_fc2_;
};

}  // namespace stemma::models
