// What all optimizers of this folder share: the order of one step, the state's names, and the small
// record. A kind of optimizer only says which arrays it keeps and how one step changes them.
//
// One step: learning rate, norm of the gradient, is it finite, clip divisor; only then the wait for
// the fence, because everything before it only reads gradients; then the update, and the average of
// the weights. So a step that is skipped or refused has changed nothing, not even `t`, but a
// dynamic loss scale. The scale is taken out of the norm here, and out of gradients where the
// update reads them. The arithmetic runs where the memory lies, behind `Passes`; nothing here or in
// a kind of optimizer knows which device that is, nor whether the optimizer is sharded: then passes
// cover this rank's chunks, arrays hold state for them alone, and the step ends with every rank's
// parameters on every rank.
//
// Thread: the loop's.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "optim/average.h"
#include "optim/kernels.h"
#include "optim/loss_scaler.h"
#include "optim/optimizer.h"
#include "optim/passes.h"
#include "optim/plateau.h"
#include "optim/space.h"
#include "optim/sum_exchange.h"

namespace stemma::optim {

// The slots of what keeps a momentum, sgd and lars: none where it is 0.
std::vector<std::string> MomentumSlots(const OptimSettings& settings);

class FlatOptimizer : public Optimizer {
 public:
  // `slots`: "optim/m", ...: one flat array of zeros per space for each. "optim/ema" is added to
  // them here.
  FlatOptimizer(const OptimSettings& settings, int64_t total_steps, ops::Reducer& reducer,
                std::vector<Space> spaces, std::vector<std::string> slots);

  Status Step(int64_t step, ops::Fence& fence) override;
  double loss_scale() const override { return scaler_.scale(); }
  void Observe(double loss, double samples, bool epoch_ends) override;
  void ObserveEvaluation(double val_loss) override;
  Status SwapAverage(ops::Fence& fence) override;
  std::vector<NamedState> State() override;
  std::string EncodeSmall() const override;
  Status DecodeSmall(std::string_view bytes) override;
  const StepReport& report() const override { return report_; }
  Result<std::vector<TensorRatio>> Ratios() override;

 protected:
  // Changes parameters and state with the gradients; t() counts this step already. On a GPU it has
  // only put the passes on the current stream when it returns.
  virtual Status Update() = 0;

  const OptimSettings& settings() const { return settings_; }
  const std::vector<Space>& spaces() const { return spaces_; }
  int64_t t() const { return t_; }  // applied updates
  size_t tensors() const;           // of all spaces
  Passes& passes(size_t space) const { return *passes_[space]; }

  // Numbers that depend neither on the tensor nor on the kind of optimizer.
  Scalars<double> CommonScalars() const;

 private:
  std::unique_ptr<Passes> PassesOf(size_t space) const;
  NamedState StateOf(size_t slot, size_t space, const TensorPart& part) const;
  // Sum of squares of each parameter's gradient, by registration index; frozen ones 0.
  Status SumGradients(std::vector<double>* by_parameter);
  Status CheckPlan() const;
  Status AddRatios(size_t space, std::vector<TensorRatio>* all);
  // The clip divisors, from the norm in the report or the sums of squares by parameter.
  void Clip(const std::vector<double>& sums);
  Status Measure();  // grad_norm and clip_divisor of the report, or what is not finite
  Status NonFinite(const std::string& what);
  Status Refuse(const std::string& text) const;  // a gradient that is not finite
  Status Apply();                                // the update and what follows it

  const OptimSettings settings_;
  const int64_t total_steps_;
  ops::Reducer& reducer_;
  const std::vector<Space> spaces_;
  const size_t kind_slots_;  // of them; the kind's own come first
  std::vector<std::string> slots_;
  std::vector<std::vector<at::Tensor>> arrays_;  // [space][slot]: the first is m, the second v
  std::vector<std::unique_ptr<SumExchange>> exchanges_;  // [space], null when nothing is sharded
  std::vector<std::unique_ptr<Passes>> passes_;          // [space]
  std::unique_ptr<WeightAverage> average_;               // null: optim.ema_decay is 0
  LossScaler scaler_;
  Plateau plateau_;
  bool swapped_ = false;  // parameters are their averages
  int64_t t_ = 0;
  int64_t skips_ = 0;            // in a row
  bool updated_ = false;         // by a step of this object
  std::vector<bool> excluded_;   // by registration index: its role is one of optim.exclude
  double excluded_divisor_ = 1;  // of excluded roles, with clip_scope "group"
  double other_divisor_ = 1;
  StepReport report_;
};

}  // namespace stemma::optim
