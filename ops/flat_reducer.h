// The Reducer behind ops/reducer.h: FlatModel holds the memory, GradientHooks say what arrived,
// LaunchQueue makes the calls; here is only the counting between them.
//
// A step's window goes kIdle -> BeginStep -> kOpen -> Finish -> kLaunched -> Wait -> kIdle; after a
// failure it stays kFailed until BeginStep or Abandon. Hooks may run on autograd's threads, so all
// state of a step is under one mutex.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/mutex.h"
#include "ops/bucket_hook.h"
#include "ops/flat_model.h"
#include "ops/gradient_hooks.h"
#include "ops/launch_queue.h"
#include "ops/reducer.h"

namespace stemma::ops {

class FlatReducer final : public Reducer {
 public:
  // `model` was moved and broadcast.
  FlatReducer(const OpsSettings& settings, comm::World& world, std::unique_ptr<FlatModel> model,
              std::unique_ptr<BucketHook> bucket_hook);
  ~FlatReducer() override;

  // Hooks on the parameters, and the calls of a step. Once, before the first step; all ranks.
  Status Start();

  Status BeginStep(const StepShape& shape) override;
  Status Finish() override;
  Status Wait() override;
  void Abandon() override;
  Shard shard() const override { return shard_; }
  Status GatherSums(const at::Tensor& mine, const std::vector<int64_t>& counts,
                    const at::Tensor& all) override;
  Status GatherParameters() override;
  const Plan& plan() const override { return model_->plan(); }
  const std::vector<Parameter>& parameters() const override { return model_->model().parameters; }
  const std::vector<FlatSpace>& spaces() const override { return model_->spaces(); }
  uint64_t launched_digest() const override;
  const ReducerStats& stats() const override { return stats_; }
  uint64_t DigestParameters() const override { return model_->Digest(); }

 private:
  enum class Window { kIdle, kOpen, kLaunched, kFailed };

  void OnGradient(size_t slot);  // the hook; throws what it returns to autograd
  Status Count(size_t slot) STEMMA_REQUIRES(mutex_);
  Status LaunchReady() STEMMA_REQUIRES(mutex_);
  Status LaunchAll() STEMMA_REQUIRES(mutex_);
  void Open(const StepShape& shape) STEMMA_REQUIRES(mutex_);
  Status CheckShape(const StepShape& shape) const STEMMA_REQUIRES(mutex_);
  Status CheckArrivals() const STEMMA_REQUIRES(mutex_);
  Status CheckModel() const STEMMA_REQUIRES(mutex_);
  Status Remember(Status status) STEMMA_REQUIRES(mutex_);  // keeps the step's first failure

  std::vector<Call> Calls();

  const OpsSettings settings_;
  comm::World& world_;
  const std::unique_ptr<FlatModel> model_;
  const std::unique_ptr<BucketHook> bucket_hook_, average_;
  const Shard shard_;
  const at::Device device_;
  const size_t averaged_calls_;  // come first in the queue, before bucket 0

  mutable Mutex mutex_;
  std::unique_ptr<LaunchQueue> queue_ STEMMA_GUARDED_BY(mutex_);
  Window window_ STEMMA_GUARDED_BY(mutex_) = Window::kIdle;
  Status failure_ STEMMA_GUARDED_BY(mutex_);
  StepShape shape_ STEMMA_GUARDED_BY(mutex_);
  bool shards_unused_ STEMMA_GUARDED_BY(mutex_) = false;   // reduced, and no optimizer has looked
  std::vector<int> arrived_ STEMMA_GUARDED_BY(mutex_);     // per slot, in this step
  std::vector<size_t> missing_ STEMMA_GUARDED_BY(mutex_);  // per bucket: slots not complete
  bool armed_ STEMMA_GUARDED_BY(mutex_) = false;  // some slot is complete: the last backward runs
  ReducerStats stats_;

  GradientHooks hooks_;  // last: removed before anything they use
};

}  // namespace stemma::ops
