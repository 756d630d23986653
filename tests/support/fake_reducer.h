// A Reducer without communication: the plan and the flat memory of real parameters, whose gradients
// the test writes. For everything that only reads what a reducer has left behind.
//
//   FakeReducer reducer({{"w", ops::ParameterRole::kWeight, torch::ones({2, 3})}});
//   reducer.gradient(0).fill_(1);      // aliases the flat gradients, shape of the parameter
//
// Parameters are copied into the flat memory and alias it from then on, like the real one's. It
// lies on the device of the first parameter.
#pragma once

#include <torch/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/check.h"
#include "ops/reducer.h"

namespace stemma::tests {

class FakeReducer final : public ops::Reducer {
 public:
  explicit FakeReducer(std::vector<ops::Parameter> parameters,
                       const ops::OpsSettings& settings = {})
      : parameters_(std::move(parameters)) {
    std::vector<ops::ParameterInfo> infos;
    for (const auto& p : parameters_) {
      infos.push_back({p.name, p.tensor.sizes().vec(), DTypeOf(p.tensor), true});
    }
    auto plan = ops::MakePlan(infos, settings);
    STEMMA_CHECK(plan.ok(), plan.status().message());
    plan_ = *std::move(plan);
    gradients_.resize(parameters_.size());
    for (const auto& segment : plan_.segments) AddSpace(segment);
    for (const auto& slot : plan_.slots) Move(slot);
  }

  at::Tensor gradient(size_t parameter) { return gradients_[parameter]; }
  at::Tensor parameter(size_t parameter) { return parameters_[parameter].tensor; }

  Status AddHook(std::unique_ptr<ops::BucketHook>) override { return {}; }
  Status Replan() override { return {}; }
  Status ContributeNothing(const ops::StepShape&) override { return {}; }
  Status CompareReplicas() override { return {}; }
  std::vector<ops::HookState> HookStates() override { return {}; }
  const std::vector<double>& contributions() const override { return contributions_; }
  const std::string& non_finite() const override { return non_finite_; }
  Status BeginStep(const ops::StepShape&) override { return {}; }
  Status Finish() override { return {}; }
  Status Wait() override { return {}; }
  void Abandon() override {}
  const ops::Plan& plan() const override { return plan_; }
  const std::vector<ops::Parameter>& parameters() const override { return parameters_; }
  const std::vector<ops::FlatSpace>& spaces() const override { return spaces_; }
  uint64_t launched_digest() const override { return 0; }
  const ops::ReducerStats& stats() const override { return stats_; }
  uint64_t DigestParameters() const override { return 0; }

 private:
  static DType DTypeOf(const at::Tensor& tensor) {
    switch (tensor.scalar_type()) {
      case at::kDouble:
        return DType::kF64;
      case at::kBFloat16:
        return DType::kBF16;
      case at::kHalf:
        return DType::kF16;
      default:
        return DType::kF32;
    }
  }
  static at::ScalarType ScalarTypeOf(DType dtype) {
    switch (dtype) {
      case DType::kF64:
        return at::kDouble;
      case DType::kBF16:
        return at::kBFloat16;
      case DType::kF16:
        return at::kHalf;
      default:
        return at::kFloat;
    }
  }
  void AddSpace(const ops::SegmentInfo& segment) {
    const auto device = parameters_.front().tensor.device();
    const auto options = at::TensorOptions(ScalarTypeOf(segment.dtype)).device(device);
    const at::Tensor zeros = torch::zeros({segment.count}, options);
    spaces_.push_back({segment.dtype, zeros, zeros.clone()});
  }
  void Move(const ops::Slot& slot) {
    const ops::FlatSpace& space = spaces_[plan_.buckets[slot.bucket].segment];
    at::Tensor& tensor = parameters_[slot.parameter].tensor;
    const auto alias = [&](const at::Tensor& flat) {
      return flat.narrow(0, slot.offset, slot.count).view(tensor.sizes());
    };
    gradients_[slot.parameter] = alias(space.gradients);
    const at::Tensor moved = alias(space.parameters);
    moved.copy_(tensor);
    tensor = moved;
  }

  std::vector<ops::Parameter> parameters_;
  ops::Plan plan_;
  std::vector<ops::FlatSpace> spaces_;
  std::vector<at::Tensor> gradients_;
  ops::ReducerStats stats_;
  std::vector<double> contributions_;
  std::string non_finite_;
};

}  // namespace stemma::tests
