// Changes parameters from reduced gradients, and can name all of its state.
//
//   STEMMA_ASSIGN_OR_RETURN(auto optimizer, Make(settings, total_steps, *reducer));
//   STEMMA_RETURN_IF_ERROR(optimizer->Step(step, fence));
//
// State lies in flat arrays with the reducer's layout, so one element offset addresses gradient,
// parameter and moments. Every rank computes the same bits: fixed lanes, fixed chunks, ordered
// double sums, no library reductions (OPTIM sections 9 and 15). Parameters are f32 or f64, in host
// memory or on a GPU (--config=cuda); gradients are read and left as they are.
//
// With ops.shard = optimizer each rank updates its chunks and keeps state for them alone: Step is
// collective then, and ends with all parameters on all ranks, with the bits that an optimizer
// without sharding computes (on a CPU; on a GPU NCCL may add gradients in another order). Every
// rank reports the same norm, and skips the same steps.
//
// With optim.loss_scaling the caller multiplies each loss by loss_scale() before backward();
// with optim.schedule = plateau it calls Observe() after each step, and ObserveEvaluation() after
// each evaluation. All are part of the small record, so a restart goes on with the same bits.
//
// On a GPU a step runs on the current stream; the host waits once, for the sums of squares of the
// gradients, because the report needs their norm and the skip is decided on the host.
//
// Owner: the caller; the reducer outlives it. Thread: the loop's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "ops/fence.h"
#include "ops/reducer.h"
#include "optim/settings.h"

namespace stemma::optim {

struct StepReport {
  double lr = 0;
  double grad_norm = 0;     // global, of the averaged gradient, before clipping
  double clip_divisor = 1;  // clip_scope "group": the larger one
  double loss_scale = 1;    // that the gradient of this step came with
  bool skipped = false;     // non-finite gradient: nothing changed, t did not advance
};

// What a step of lamb or lars computed for one tensor with a trust ratio. lars: u_norm is the
// clipped gradient's, without decay.
struct TensorRatio {
  size_t parameter = 0;  // registration index
  double p_norm = 0, u_norm = 0, ratio = 1;
};

struct NamedState {
  std::string slot;       // "optim/m", "optim/v", "optim/momentum", "optim/ema": the section of a
                          // capture
  std::string parameter;  // the parameter's name
  at::Tensor tensor;      // shape of the parameter; stable memory for the optimizer's life
  // A sharded optimizer keeps a part of it: `tensor` is 1-D then, maybe empty, and holds elements
  // [first, first + its length) of what has the shape `whole`. The parts of all ranks are disjoint
  // and cover it.
  bool sharded = false;
  int64_t first = 0;
  std::vector<int64_t> whole;
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // Waits for `fence` before it changes anything, but after the gradient's norm, which only reads.
  // `step` counts the loop's steps from 0 and only feeds the schedule. kNotFinite when the
  // gradient is not finite and settings.on_nonfinite is "stop": the text names the first non-finite
  // tensor; nothing was changed.
  virtual Status Step(int64_t step, ops::Fence& fence) = 0;
  // What the next step's losses are multiplied by before backward().
  virtual double loss_scale() const = 0;
  // After each step, the same on all ranks: the mean loss of its global batch (not scaled), the
  // samples of that batch, and whether it was the last of an epoch. For optim.schedule = plateau.
  virtual void Observe(double loss, double samples, bool epoch_ends) = 0;
  // After each evaluation of held-out samples that is due, the same on all ranks: its mean loss.
  // For optim.plateau_on = val_loss.
  virtual void ObserveEvaluation(double val_loss) = 0;
  // Parameters become their moving averages (optim.ema_decay), to evaluate with them; a second call
  // takes it back, bit for bit, and must come before the next Step or capture. Waits for `fence`.
  // Collective when the optimizer is sharded. kInvalidArgument: there are no averages.
  virtual Status SwapAverage(ops::Fence& fence) = 0;
  virtual std::vector<NamedState> State() = 0;  // parameter registration order within each slot
  // t, skips, option digest, loss scale, plateau.
  virtual std::string EncodeSmall() const = 0;
  // kIncompatible: of another kind of optimizer. Other options are accepted: a fork changes them.
  virtual Status DecodeSmall(std::string_view bytes) = 0;
  virtual const StepReport& report() const = 0;
  // Of the last update, one per tensor with a trust ratio, in the plan's order; empty before the
  // first, and for other kinds than lamb and lars. Not part of the report: on a GPU it waits for
  // the step.
  virtual Result<std::vector<TensorRatio>> Ratios() { return std::vector<TensorRatio>(); }
  virtual std::string Describe() const = 0;  // "lamb, 8 of 272 tensors adapted, ..."
};

// `total_steps` is the schedule's end. kInvalidArgument names the setting and its range, or the
// parameter whose dtype or device is not supported.
Result<std::unique_ptr<Optimizer>> Make(const OptimSettings& settings, int64_t total_steps,
                                        ops::Reducer& reducer);

}  // namespace stemma::optim
