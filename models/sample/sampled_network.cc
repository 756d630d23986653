#include "models/sample/sampled_network.h"

#include <ATen/ATen.h>

#include "models/aides/network.h"
#include "models/aigw/network.h"
#include "models/resnet50/network.h"

namespace stemma::models {
namespace {

constexpr uint64_t kSeed = 1;  // of weights that are replaced at once
constexpr int64_t kLast = 10000, kWindow = 11000, kClasses = 1000;

class SampledResNet50 final : public SampledNetwork {
 public:
  explicit SampledResNet50(int64_t classes) : network_({classes, false, false}, kSeed) {}
  const std::vector<ops::Parameter>& parameters() const override { return network_.parameters(); }
  const std::vector<ops::Buffer>& buffers() const override { return network_.buffers(); }
  void SetTraining(bool training) override { network_.SetTraining(training); }
  at::Tensor Forward(const at::Tensor& input) override { return network_.Forward(input); }
  std::vector<int64_t> InputShape(int64_t side) const override {
    if (side == 0) side = 224;
    return side < 32 ? std::vector<int64_t>() : std::vector<int64_t>{3, side, side};
  }

 private:
  ResNet50 network_;
};

class SampledAides final : public SampledNetwork {
 public:
  SampledAides() : network_(kSeed) {}
  const std::vector<ops::Parameter>& parameters() const override { return network_.parameters(); }
  const std::vector<ops::Buffer>& buffers() const override { return network_.buffers(); }
  void SetTraining(bool training) override { network_.SetTraining(training); }
  at::Tensor Forward(const at::Tensor& input) override { return network_.Forward(input).logits; }
  std::vector<int64_t> InputShape(int64_t side) const override {
    if (side == 0) side = 224;
    return side < 71 ? std::vector<int64_t>() : std::vector<int64_t>{3, side, side};
  }

 private:
  AidesNetwork network_;
};

class SampledAigw final : public SampledNetwork {
 public:
  explicit SampledAigw(int64_t last) : last_(last), network_(AigwShape{last}, kSeed) {}
  const std::vector<ops::Parameter>& parameters() const override { return network_.parameters(); }
  const std::vector<ops::Buffer>& buffers() const override { return network_.buffers(); }
  void SetTraining(bool training) override { network_.SetTraining(training); }
  at::Tensor Forward(const at::Tensor& input) override {
    const AigwOutput output = network_.Forward(input);
    return at::cat({output.q, output.ap}, 1);
  }
  // More than the receptive field, 254 samples, before what the heads see.
  std::vector<int64_t> InputShape(int64_t side) const override {
    if (side == 0) side = last_ + kWindow - kLast;
    return side < last_ ? std::vector<int64_t>() : std::vector<int64_t>{1, side};
  }

 private:
  const int64_t last_;
  AigwNetwork network_;
};

}  // namespace

std::unique_ptr<SampledNetwork> MakeSampled(const std::string& model, int64_t last,
                                            int64_t classes) {
  if (model == "resnet50") {
    return std::make_unique<SampledResNet50>(classes == 0 ? kClasses : classes);
  }
  if (model == "aides") return std::make_unique<SampledAides>();
  if (model == "aigw") return std::make_unique<SampledAigw>(last == 0 ? kLast : last);
  return nullptr;
}

}  // namespace stemma::models
