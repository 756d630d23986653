// What all optimizers of this folder share: the order of one step, the state's names, and the small
// record. A kind of optimizer only says which arrays it keeps and how one step changes them.
//
// One step: learning rate, norm of the gradient, is it finite, clip divisor; only then the wait for
// the fence, because everything before it only reads gradients; then the update. So a step that is
// skipped or refused has changed nothing, not even `t`.
//
// Thread: the loop's.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "optim/optimizer.h"
#include "optim/kernels.h"
#include "optim/space.h"

namespace stemma::optim {

class FlatOptimizer : public Optimizer {
 public:
  // `slots`: "optim/m", ...: one flat array of zeros per space for each.
  FlatOptimizer(const OptimSettings& settings, int64_t total_steps, ops::Reducer& reducer,
                std::vector<Space> spaces, std::vector<std::string> slots);

  Status Step(int64_t step, ops::Fence& fence) override;
  std::vector<NamedState> State() override;
  std::string EncodeSmall() const override;
  Status DecodeSmall(std::string_view bytes) override;
  const StepReport& report() const override { return report_; }

 protected:
  // Changes parameters and state with the gradients; t() counts this step already. May fill the
  // ratios of the report.
  virtual void Update(StepReport* report) = 0;

  const OptimSettings& settings() const { return settings_; }
  std::vector<Space>& spaces() { return spaces_; }
  const std::vector<Space>& spaces() const { return spaces_; }
  int64_t t() const { return t_; }  // applied updates
  size_t tensors() const;           // of all spaces
  Isa isa() const { return isa_; }

  // Numbers that do not depend on the tensor, for float or double.
  template <typename T>
  Scalars<T> CommonScalars() const;

  // The arrays of a chunk: the first slot is m, the second v.
  template <typename T>
  Chunk<T> At(size_t space, const ChunkPart& part) const;

 private:
  Status Measure();  // grad_norm and clip_divisor of the report, or what is not finite
  Status NonFinite(const std::string& what);

  const OptimSettings settings_;
  const int64_t total_steps_;
  ops::Reducer& reducer_;
  std::vector<Space> spaces_;
  const std::vector<std::string> slots_;
  std::vector<std::vector<at::Tensor>> arrays_;  // [space][slot]
  const Isa isa_ = BestIsa();
  int64_t t_ = 0;
  int64_t skips_ = 0;  // in a row
  StepReport report_;
};

extern template Scalars<float> FlatOptimizer::CommonScalars<float>() const;
extern template Scalars<double> FlatOptimizer::CommonScalars<double>() const;
extern template Chunk<float> FlatOptimizer::At<float>(size_t, const ChunkPart&) const;
extern template Chunk<double> FlatOptimizer::At<double>(size_t, const ChunkPart&) const;

}  // namespace stemma::optim
