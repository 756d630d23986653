// Data-parallel gradients: they are written by autograd straight into flat buckets, and each bucket
// is reduced over the ranks while backward is still running.
//
//   STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(settings, world, parameters, buffers));
//   for (...) {
//     STEMMA_RETURN_IF_ERROR(reducer->BeginStep({.micro_batches = k, .divisor = samples}));
//     for (int i = 0; i < k; ++i) loss(i).backward();       // loss is a SUM over local samples
//     STEMMA_RETURN_IF_ERROR(reducer->Finish());
//     STEMMA_RETURN_IF_ERROR(reducer->Wait());        // .grad() is now the mean over all samples
//   }
//
// Create is collective: it makes the plan, compares the model on all ranks (a difference names
// ranks and parameters), moves parameters, gradients and averaged buffers into flat memory of the
// communicator, and broadcasts parameters and buffers from rank 0. The module's tensors keep their
// identity; only their storage changes. A hook on each parameter's gradient accumulator counts its
// bucket down; full buckets are launched strictly in plan order on the autograd thread. A parameter
// counts when it has received `micro_batches` gradients; averaged buffers go first, with the first
// parameter that counts: the last forward has ended then, and no later one of this step changes
// them. Where backwards run inside backwards (reentrant checkpointing, whose forwards run again)
// and something is averaged, everything is launched in Finish.
//
// A parameter that the model uses twice, also inside segments checkpointed with reentrant
// backwards, counts once: how many gradients a backward() brings it is learned in the first step,
// whose buckets are therefore launched in Finish. A tensor registered under two names is one
// parameter, under its first name.
//
// What is not supported, and says so: gradients outside BeginStep .. Finish; zero_grad() between
// BeginStep and Wait, and backward(create_graph=true), which writes gradients elsewhere (both with
// ops.lost_alias=copy: the bucket gets the values, .grad loses its graph; once the bucket has been
// launched, another tensor in .grad is an error all the same); model->to(...) after Create; a
// parameter that becomes trainable without Replan(), or inside a step. Not seen, and wrong: a
// zero_grad that only fills with zeros inside a step (it zeroes what is being reduced), and a
// forward that saved-tensor hooks run again in backward() and that changes averaged buffers.
//
// Data may end earlier on some ranks: such a rank calls ContributeNothing and Wait until all are
// done, and what else is collective in a step: Step() of a sharded optimizer above all. With
// ops.divisor = counted or active all ranks know after Wait who had none (contributions()), and
// AllReduce and Broadcast of the World (ops/tensor_collectives.h) are refused, naming them, until a
// step in which all had data, or none. Calls on a Communicator are not: they would wait for a rank
// that does not come. Averaged buffers of a rank without data count as they are; others, such as
// num_batches_tracked, differ from then on, until BroadcastBuffers.
//
// Owner: the caller; `world` outlives it. Thread: the loop's; the hook runs inside backward().
// Errors raised in the hook come out of backward() as c10::Error and are also returned by Finish().
// Destroying it gives the tensors memory of their own again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "comm/world.h"
#include "core/status.h"
#include "ops/bucket_hook.h"
#include "ops/parameter.h"
#include "ops/plan.h"
#include "ops/shard.h"

namespace stemma::ops {

struct StepShape {
  int micro_batches = 1;  // backward() calls of this rank until Finish()
  // What the summed gradient is divided by, as ops.divisor says:
  //   samples  this: samples of the global batch, the same on all ranks. The loss is a sum
  //   counted  the sum over ranks of this: the samples of this rank, 0 for none. The loss is a sum.
  //            One more pass over the gradients; for loaders whose batches other ranks cannot know
  //   world    this times all ranks: micro-batches, if any, the same on all. The loss is a mean
  //   active   this times the ranks that had data, likewise. One more pass
  double divisor = 1;
};

// One dtype's flat memory. The optimizer addresses gradient, parameter and its own state by the
// same element offset.
struct FlatSpace {
  DType dtype = DType::kF32;
  at::Tensor parameters;  // 1-D, padding included
  at::Tensor gradients;   // 1-D
};

struct ReducerStats {
  uint64_t buckets_launched = 0;        // since Create
  uint64_t launched_before_finish = 0;  // overlapped with backward
  uint64_t aliases_reattached = 0;      // the user's zero_grad(set_to_none) undone
  uint64_t copied_bytes = 0;            // 0, but for ops.lost_alias=copy
  double wait_s = 0;                    // time spent in Wait(): exposed communication
};

class Reducer {
 public:
  // All ranks return the same error: kInvalidArgument (of one rank's arguments, which it names),
  // kIncompatible where ranks differ, or the world's own failure.
  static Result<std::unique_ptr<Reducer>> Create(const OpsSettings& settings, comm::World& world,
                                                 std::vector<Parameter> parameters,
                                                 std::vector<Buffer> buffers = {});
  virtual ~Reducer() = default;

  // Makes `hook` do what a bucket needs (ops/bucket_hook.h). Before the first BeginStep, on all
  // ranks, with ops.compress=none; its name becomes part of the plan's digest. kIncompatible: hooks
  // of other names on other ranks.
  virtual Status AddHook(std::unique_ptr<BucketHook> hook) = 0;
  // A new plan for the parameters as they are now (requires_grad), with a new digest; everything of
  // Create again. Between steps, on all ranks. Optimizers of optim/ must be made again; they say
  // so.
  virtual Status Replan() = 0;

  // Zeroes gradients (large ones right before their first contribution: ops.zero_gradients),
  // re-attaches lost aliases, checks that the model is still the one of the plan (kInvalidArgument
  // names the first parameter that is not: moved, converted, newly trainable). A planned parameter
  // whose requires_grad is off counts as arrived, with gradient zero.
  virtual Status BeginStep(const StepShape& shape) = 0;
  // In place of BeginStep, backward and Finish: this rank has no data for this step, the others
  // may. `shape.divisor` as theirs; counted and active take 0 instead.
  virtual Status ContributeNothing(const StepShape& shape) = 0;
  // Launches what was not launched: parameters without a gradient count as zero (settings.unused).
  // All buckets are under way on return, also when it returns this rank's mistake (micro-batches,
  // an alias): peers do not wait for it. Not so when a bucket's call itself could not be made:
  // stuck().
  virtual Status Finish() = 0;
  // On return every gradient holds the reduced value and averaged buffers hold their mean. On a GPU
  // the current stream waits, not the host. Sharded: only this rank's parts of the gradients
  // (shard()) hold it, the rest is undefined; an optimizer that knows of shards must use them, or
  // the next BeginStep is an error.
  virtual Status Wait() = 0;
  // After a failure of this rank in a step: launches the rest of the step's buckets as they are
  // (all, as zeros, when BeginStep was not reached) and waits for them, so that peers do not hang.
  // Unless stuck(), the caller then raises kAnyFailed in the control word, and calls Abandon in
  // place of every later step until a verdict says that all stop.
  //
  // `shape`: what BeginStep would have got. Only its divisor is announced, and only when BeginStep
  // was not reached. Without it that of the last step is: with comm.check=full peers whose step has
  // another one get a kIncompatible ("scaled by") beside this rank's own error, and in the first
  // step always, which says so.
  virtual void Abandon() = 0;
  virtual void Abandon(const StepShape& shape);
  // After a failed Finish, Wait or Abandon: a call of this step could not be made on this rank (its
  // hook failed, or the communicator), so neither it nor later ones were, and peers that made it
  // wait there until their deadline. No boundary can be met: the caller ends the job, with the
  // error that Finish or Wait returned. Until the next BeginStep.
  virtual bool stuck() const { return false; }

  // settings.shard = "optimizer": which part of every bucket is this rank's. {0, 1}: nothing is
  // sharded, or there is one rank only; the two functions below are not called then.
  virtual Shard shard() const { return {}; }
  // Between Wait() and BeginStep, collective. `mine` of every rank, counts[r] elements of rank r,
  // in rank order into `all`: for sums over tensors that lie in several parts.
  virtual Status GatherSums(const at::Tensor& mine, const std::vector<int64_t>& counts,
                            const at::Tensor& all);
  // Between Wait() and BeginStep, collective: buffers that are not averaged become rank 0's. Needed
  // after steps in which ranks ran forward() a different number of times (a short last batch):
  // their counters differ then, and with them the replicas. All ranks, also those without data.
  virtual Status BroadcastBuffers() { return {}; }
  // Between Wait() and BeginStep, collective: this rank's parts of the parameters go to all ranks.
  // On a GPU the current stream waits, not the host. Without shards it does nothing.
  virtual Status GatherParameters() { return {}; }

  virtual const Plan& plan() const = 0;
  virtual const std::vector<Parameter>& parameters() const = 0;  // registration order
  virtual const std::vector<FlatSpace>& spaces() const = 0;      // same order as plan().segments
  virtual uint64_t launched_digest() const = 0;  // of the buckets launched in this step, in order
  virtual const ReducerStats& stats() const = 0;
  // XXH3 over all parameters and buffers of this rank: equal on all ranks, or a replica diverged.
  virtual uint64_t DigestParameters() const = 0;
  // Collective: kIncompatible, naming ranks by value, when a replica diverged.
  virtual Status CompareReplicas() = 0;
  // What exact resume needs of the bucket hook, for loops that save it. The trainer's captures do
  // not hold it: it offers no hooks that have any.
  virtual std::vector<HookState> HookStates() = 0;
  // Per rank, what it gave to the last step: samples (counted), 1 or 0 (active). Empty with the
  // other divisors.
  virtual const std::vector<double>& contributions() const = 0;
  // ops.check_finite=bucket: "rank 1: the gradient of ..." when this rank put something non-finite
  // into this step, else "". Not an error by itself: the optimizer decides, the same on all ranks.
  virtual const std::string& non_finite() const = 0;
};

}  // namespace stemma::ops
