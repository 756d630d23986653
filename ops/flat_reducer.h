// The Reducer behind ops/reducer.h: FlatModel holds the memory, GradientHooks say what arrived,
// Arrivals counts it, LaunchQueue makes the calls, StepFacts are told along with them; here is only
// what goes on between them.
//
// A step's window goes kIdle -> BeginStep -> kOpen -> Finish -> kLaunched -> Wait -> kIdle; after a
// failure it stays kFailed until BeginStep or Abandon. Hooks may run on autograd's threads, so all
// state of a step is under one mutex.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/mutex.h"
#include "ops/arrivals.h"
#include "ops/bucket_hook.h"
#include "ops/flat_model.h"
#include "ops/gradient_hooks.h"
#include "ops/late_zeros.h"
#include "ops/launch_queue.h"
#include "ops/reducer.h"
#include "ops/shard_collectives.h"
#include "ops/step_facts.h"

namespace stemma::ops {

// Everything of Reducer::Create but the hooks: checks, plan, handshake, flat memory, broadcast.
// Collective; all ranks return the same error.
Result<std::unique_ptr<FlatModel>> MakeFlatModel(const OpsSettings& settings, comm::World& world,
                                                 std::vector<Parameter> parameters,
                                                 std::vector<Buffer> buffers);

class FlatReducer final : public Reducer {
 public:
  FlatReducer(const OpsSettings& settings, comm::World& world, std::unique_ptr<FlatModel> model,
              std::unique_ptr<BucketHook> bucket_hook);
  ~FlatReducer() override;

  // Hooks on the parameters of a new plan, and the calls of a step. All ranks; after a failure
  // there are no calls, and BeginStep says so.
  Status Start();

  Status AddHook(std::unique_ptr<BucketHook> hook) override;
  Status Replan() override;
  Status BeginStep(const StepShape& shape) override;
  Status ContributeNothing(const StepShape& shape) override;
  Status Finish() override;
  Status Wait() override;
  void Abandon() override;
  void Abandon(const StepShape& shape) override;
  bool stuck() const override;
  Shard shard() const override { return shard_; }
  Status GatherSums(const at::Tensor& mine, const std::vector<int64_t>& counts,
                    const at::Tensor& all) override {
    shards_unused_ = false;
    return ops::GatherSums(world_, mine, counts, all);
  }
  Status BroadcastBuffers() override;
  Status GatherParameters() override { return GatherShards(world_, *model_); }
  const Plan& plan() const override { return model_->plan(); }
  const std::vector<Parameter>& parameters() const override { return model_->model().parameters; }
  const std::vector<FlatSpace>& spaces() const override { return model_->spaces(); }
  uint64_t launched_digest() const override;
  const ReducerStats& stats() const override { return stats_; }
  uint64_t DigestParameters() const override { return model_->Digest(); }
  Status CompareReplicas() override;
  std::vector<HookState> HookStates() override { return bucket_hook_->State(); }
  const std::vector<double>& contributions() const override { return facts_.contributions(); }
  const std::string& non_finite() const override { return non_finite_; }

 private:
  enum class Window { kIdle, kOpen, kLaunched, kFailed };

  std::vector<Call> Calls();
  void OnArriving(size_t slot);  // the hooks; they throw what they return to autograd
  void OnGradient(size_t slot);
  void OnBackwardEnded(bool nested);
  Status Count(size_t slot) STEMMA_REQUIRES(mutex_);
  Status ZeroBeforeFirst(size_t slot) STEMMA_REQUIRES(mutex_);
  Status KeepAlias(size_t slot, const char* when) STEMMA_REQUIRES(mutex_);
  Status KeepAliases(const char* when, bool all) STEMMA_REQUIRES(mutex_);
  Status LaunchReady() STEMMA_REQUIRES(mutex_);
  Status LaunchAll() STEMMA_REQUIRES(mutex_);
  Status Settle() STEMMA_REQUIRES(mutex_);
  void DivideByContributions() STEMMA_REQUIRES(mutex_);
  void LookForNonFinite(size_t bucket) STEMMA_REQUIRES(mutex_);
  void Open(const StepShape& shape) STEMMA_REQUIRES(mutex_);
  void OpenAbandoned(const StepShape* shape) STEMMA_REQUIRES(mutex_);
  void AbandonStep(const StepShape* shape);
  Status StartAgain();
  double ScaleOf(const StepShape& shape) const;
  Status CheckIdle(const char* call) const STEMMA_REQUIRES(mutex_);
  Status CheckShape(const StepShape& shape) const STEMMA_REQUIRES(mutex_);
  Status CheckArrivals() const STEMMA_REQUIRES(mutex_);
  Status CheckModel() const STEMMA_REQUIRES(mutex_);
  Status WrittenByHand(size_t slot) const STEMMA_REQUIRES(mutex_);
  Status CheckHook(const BucketHook* hook) const STEMMA_REQUIRES(mutex_);
  Status Remember(Status status) STEMMA_REQUIRES(mutex_);  // keeps the step's first failure

  const OpsSettings settings_;
  comm::World& world_;
  std::unique_ptr<FlatModel> model_;
  std::unique_ptr<BucketHook> bucket_hook_;
  const std::unique_ptr<BucketHook> average_;
  const Shard shard_;
  bool shards_unused_ = false;  // gradients were reduced, and no optimizer has looked
  const at::Device device_;
  size_t averaged_calls_ = 0;  // come first in the queue, before bucket 0

  mutable Mutex mutex_;
  bool user_hook_ = false;  // bucket_hook_ came by AddHook
  std::unique_ptr<LaunchQueue> queue_ STEMMA_GUARDED_BY(mutex_);
  Window window_ STEMMA_GUARDED_BY(mutex_) = Window::kIdle;
  Status failure_ STEMMA_GUARDED_BY(mutex_);
  StepShape shape_ STEMMA_GUARDED_BY(mutex_);
  bool opened_ STEMMA_GUARDED_BY(mutex_) = false;  // shape_ is a step's
  bool stuck_ STEMMA_GUARDED_BY(mutex_) = false;   // not all calls of the step could be made
  double contribution_ STEMMA_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<Arrivals> arrivals_ STEMMA_GUARDED_BY(mutex_);
  std::unique_ptr<LateZeros> zeros_ STEMMA_GUARDED_BY(mutex_);
  std::set<int> backwards_seen_ STEMMA_GUARDED_BY(mutex_);  // autograd's numbers, while learning
  StepFacts facts_;
  std::string non_finite_;
  ReducerStats stats_;

  GradientHooks hooks_;  // last: removed before anything they use
};

}  // namespace stemma::ops
