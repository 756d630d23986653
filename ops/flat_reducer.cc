#include "ops/flat_reducer.h"

#include <ATen/core/grad_mode.h>

#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/cohort.h"
#include "ops/finite.h"
#include "ops/guard.h"
#include "ops/handshake.h"
#include "ops/tensor_bytes.h"

namespace stemma::ops {
namespace {

constexpr size_t kNamesShown = 5;

Status Invalid(const std::string& text) { return {Code::kInvalidArgument, text}; }

}  // namespace

FlatReducer::FlatReducer(const OpsSettings& settings, comm::World& world,
                         std::unique_ptr<FlatModel> model, std::unique_ptr<BucketHook> bucket_hook)
    : settings_(settings),
      world_(world),
      model_(std::move(model)),
      bucket_hook_(std::move(bucket_hook)),
      average_(MakeAllReduce(comm::Op::kAverage)),
      shard_(model_->plan().shards > 1 ? Shard{world.rank(), world.ranks()} : Shard{}),
      device_(DeviceOf(world)) {}

FlatReducer::~FlatReducer() {
  const MutexLock lock(mutex_);
  if (queue_ == nullptr) return;
  const Status ignored = queue_->Wait();  // nobody may write to memory that is about to go
  static_cast<void>(ignored);
}

std::vector<Call> FlatReducer::Calls() {
  std::vector<Call> calls;
  for (const at::Tensor& flat : model_->averaged()) {
    calls.push_back({{calls.size(), flat, "averaged buffers"}, average_.get()});
  }
  averaged_calls_ = calls.size();
  for (const Bucket& bucket : model_->Buckets()) calls.push_back({bucket, bucket_hook_.get()});
  facts_.AddCalls(&calls);
  return calls;
}

Status FlatReducer::Start() {
  return Guard("Reducer::Create", [&]() -> Status {
    const MutexLock lock(mutex_);
    hooks_.Clear();
    shards_unused_ = false;
    if (shard_.ranks > 1) bucket_hook_ = MakeReduceScatter(plan());  // its parts are the plan's
    STEMMA_RETURN_IF_ERROR(bucket_hook_->Prepare(world_, model_->Buckets()));
    STEMMA_RETURN_IF_ERROR(facts_.Allocate(settings_, world_, plan().slots.size()));
    if (user_hook_) model_->ExtendPlan("hook " + bucket_hook_->name() + "\n");
    queue_ = std::make_unique<LaunchQueue>(world_.data(), Calls());
    arrivals_ = std::make_unique<Arrivals>(plan());
    for (size_t slot = 0; slot < plan().slots.size(); ++slot) {
      hooks_.Add(model_->parameter(slot).tensor, [this](size_t s) { OnGradient(s); });
    }
    return {};
  });
}

Status FlatReducer::CheckIdle(const char* call) const {
  if (window_ != Window::kOpen && window_ != Window::kLaunched) return {};
  return Invalid(std::string(call) + ": the step before has not ended: call " +
                 (window_ == Window::kOpen ? "Finish() and " : "") +
                 "Wait() after its last backward()");
}

Status FlatReducer::CheckHook(const BucketHook* hook) const {
  STEMMA_RETURN_IF_ERROR(CheckIdle("AddHook"));
  if (hook == nullptr) return Invalid("AddHook: no hook was given");
  if (arrivals_->begun()) return Invalid("AddHook: call it before the first BeginStep");
  if (user_hook_) return Invalid("AddHook: there is a hook already: " + bucket_hook_->name());
  if (shard_.ranks > 1) {
    return Invalid("AddHook: ops.shard is optimizer, whose reduce-scatter makes a bucket's call");
  }
  if (settings_.compress == "none") return {};
  return Invalid("AddHook: ops.compress is " + settings_.compress +
                 ", and one hook makes a bucket's call: set ops.compress=none");
}

Status FlatReducer::AddHook(std::unique_ptr<BucketHook> hook) {
  Cohort& cohort = world_.cohort();
  const auto checked = [&] {
    const MutexLock lock(mutex_);
    return CheckHook(hook.get());
  };
  STEMMA_RETURN_IF_ERROR(Agree(cohort, checked()));
  STEMMA_RETURN_IF_ERROR(AgreeOn(cohort, {{"the hook of AddHook", hook->name()}}));
  bucket_hook_ = std::move(hook);
  user_hook_ = true;
  return Agree(cohort, Start());
}

// The new model takes the tensors before the old one lets go of them, so an error leaves a reducer
// that says in BeginStep what is wrong, instead of none.
Status FlatReducer::Replan() {
  const auto checked = [&] {
    const MutexLock lock(mutex_);
    return CheckIdle("Replan");
  };
  STEMMA_RETURN_IF_ERROR(Agree(world_.cohort(), checked()));
  STEMMA_ASSIGN_OR_RETURN(auto model,
                          MakeFlatModel(settings_, world_, parameters(), model_->model().buffers));
  {
    const MutexLock lock(mutex_);
    queue_.reset();
    model_ = std::move(model);
  }
  return Agree(world_.cohort(), Start());
}

Status FlatReducer::CheckModel() const {
  STEMMA_RETURN_IF_ERROR(model_->CheckUnchanged());
  for (size_t slot = 0; slot < plan().slots.size(); ++slot) {
    const Parameter& p = model_->parameter(slot);
    if (hooks_.IsCurrent(slot, p.tensor)) continue;
    return Invalid(
        "\"" + p.name +
        "\" has a new gradient accumulator, so its gradients would be missed: convert or "
        "move the model before Reducer::Create");
  }
  return {};
}

double FlatReducer::ScaleOf(const StepShape& shape) const {
  if (settings_.divisor == "samples") return 1 / shape.divisor;
  if (settings_.divisor == "world") return 1 / (shape.divisor * world_.ranks());
  return 1;  // counted, active: known when the step's facts have come
}

void FlatReducer::Open(const StepShape& shape) {
  stats_.aliases_reattached += model_->ReattachGradients();
  model_->ZeroGradients();
  queue_->Start(ScaleOf(shape));
  shape_ = shape;
  contribution_ = settings_.divisor == "counted" ? shape.divisor : 1;
  backwards_seen_.clear();
  non_finite_.clear();
  failure_ = {};
  std::vector<bool> trainable;
  for (size_t slot = 0; slot < plan().slots.size(); ++slot) {
    trainable.push_back(model_->parameter(slot).tensor.requires_grad());
  }
  arrivals_->Open(shape.micro_batches, trainable);
  window_ = Window::kOpen;
}

Status FlatReducer::CheckShape(const StepShape& shape) const {
  STEMMA_RETURN_IF_ERROR(CheckIdle("BeginStep"));
  if (shards_unused_) return ShardsUnused("BeginStep");
  if (shape.micro_batches < 1) {
    return Invalid("BeginStep: micro_batches is " + std::to_string(shape.micro_batches) +
                   ", at least 1 is needed");
  }
  if (shape.divisor > 0 && std::isfinite(shape.divisor)) return {};
  const bool counted = settings_.divisor == "counted";
  if (counted && shape.divisor == 0) return {};
  return Invalid("BeginStep: divisor is " + std::to_string(shape.divisor) +
                 (counted ? ": ops.divisor=counted wants the samples of this rank"
                          : ": give the number of samples of the global batch"));
}

Status FlatReducer::BeginStep(const StepShape& shape) {
  return Guard("BeginStep", [&]() -> Status {
    const MutexLock lock(mutex_);
    STEMMA_RETURN_IF_ERROR(CheckShape(shape));
    STEMMA_RETURN_IF_ERROR(CheckModel());
    Open(shape);
    return {};
  });
}

Status FlatReducer::ContributeNothing(const StepShape& shape) {
  return Guard("ContributeNothing", [&]() -> Status {
    const MutexLock lock(mutex_);
    STEMMA_RETURN_IF_ERROR(CheckShape(shape));
    STEMMA_RETURN_IF_ERROR(CheckModel());
    Open(shape);
    contribution_ = 0;
    return Remember(LaunchAll());
  });
}

void FlatReducer::OnGradient(size_t slot) {
  Status status;
  {
    const MutexLock lock(mutex_);
    status = Count(slot);
    if (status.ok()) status = LaunchReady();
    if (status.ok()) status = world_.data().Progress();
    status = Remember(std::move(status));
  }
  TORCH_CHECK(status.ok(), status.message());
}

void FlatReducer::OnBackwardEnded(bool nested) {
  Status status;
  {
    const MutexLock lock(mutex_);
    status = Remember(arrivals_->BackwardEnded(nested));
  }
  TORCH_CHECK(status.ok(), status.message());
}

Status FlatReducer::Count(size_t slot) {
  const std::string& name = model_->parameter(slot).name;
  if (!arrivals_->begun()) {
    return Invalid("\"" + name + "\": a gradient arrived before the first BeginStep");
  }
  if (arrivals_->learning() && backwards_seen_.insert(GradientHooks::CurrentBackward()).second) {
    GradientHooks::AtItsEnd([this](bool nested) { OnBackwardEnded(nested); });
  }
  STEMMA_RETURN_IF_ERROR(arrivals_->Count(slot, name));
  if (window_ != Window::kOpen) {
    return Invalid("\"" + name +
                   "\": a gradient arrived after Finish(): call backward() between "
                   "BeginStep and Finish");
  }
  return KeepAlias(slot, "in backward()");
}

// The gradient of a slot that was used lies in its bucket, or is put there where the settings allow
// it. `when`: since the last look.
Status FlatReducer::KeepAlias(size_t slot, const char* when) {
  if (model_->GradientIsAlias(slot)) return {};
  if (settings_.lost_alias == "error") {
    return Invalid("\"" + model_->parameter(slot).name + "\": " + when +
                   " its .grad is not in the bucket any more: BeginStep zeroes gradients, so leave "
                   "out zero_grad() after it, and create_graph; or set ops.lost_alias=copy");
  }
  stats_.copied_bytes += model_->TakeBackGradient(slot);
  return {};
}

Status FlatReducer::KeepAliases(const char* when) {
  for (size_t slot = 0; slot < plan().slots.size(); ++slot) {
    if (arrivals_->Used(slot)) STEMMA_RETURN_IF_ERROR(KeepAlias(slot, when));
  }
  return {};
}

Status FlatReducer::LaunchReady() {
  if (!arrivals_->armed()) return {};
  void* const stream = StreamOf(device_);
  while (!queue_->done()) {
    const size_t bucket = queue_->next() - averaged_calls_;  // wraps around before bucket 0
    const bool is_bucket = bucket < plan().buckets.size();
    const bool is_fact = !is_bucket && queue_->next() >= averaged_calls_;
    if (is_bucket && !arrivals_->Full(bucket)) break;
    if (is_fact && window_ == Window::kOpen) break;
    if (is_bucket) LookForNonFinite(bucket);
    STEMMA_RETURN_IF_ERROR(queue_->Launch(stream));
    if (!is_bucket) continue;
    ++stats_.buckets_launched;
    if (window_ == Window::kOpen) ++stats_.launched_before_finish;
  }
  return {};
}

void FlatReducer::LookForNonFinite(size_t bucket) {
  if (settings_.check_finite != "bucket" || !non_finite_.empty()) return;
  const BucketInfo& info = plan().buckets[bucket];
  const at::Tensor& flat = model_->spaces()[info.segment].gradients;
  if (AllFinite(flat.narrow(0, info.offset, info.count))) return;
  for (size_t s : info.slots) {
    const Slot& slot = plan().slots[s];
    if (AllFinite(flat.narrow(0, slot.offset, slot.count))) continue;
    non_finite_ = "rank " + std::to_string(world_.rank()) + ": the gradient of \"" +
                  model_->parameter(s).name + "\" (bucket " + std::to_string(bucket) +
                  ") is not finite before it is reduced";
    return;
  }
}

Status FlatReducer::LaunchAll() {
  window_ = Window::kLaunched;
  std::vector<uint8_t> used;
  for (size_t slot = 0; slot < plan().slots.size(); ++slot) used.push_back(arrivals_->Used(slot));
  facts_.Write(used, contribution_);
  arrivals_->Close();
  return LaunchReady();
}

Status FlatReducer::CheckArrivals() const {
  STEMMA_RETURN_IF_ERROR(arrivals_->Check());
  if (settings_.unused != "error") return {};
  const size_t slots = plan().slots.size();
  std::string names;
  size_t unused = 0;
  for (size_t slot = 0; slot < slots; ++slot) {
    const Parameter& p = model_->parameter(slot);
    if (arrivals_->Used(slot) || !p.tensor.requires_grad() || ++unused > kNamesShown) continue;
    names += (names.empty() ? "\"" : ", \"") + p.name + "\"";
  }
  if (unused == 0) return {};
  return Invalid("Finish: " + std::to_string(unused) + " of " + std::to_string(slots) +
                 " parameters got no gradient (" + names + (unused > kNamesShown ? ", ..." : "") +
                 "): freeze them, or set ops.unused=zero to count them as zero");
}

Status FlatReducer::Remember(Status status) {
  if (failure_.ok()) failure_ = status;
  return status;
}

Status FlatReducer::Finish() {
  return Guard("Finish", [&]() -> Status {
    const MutexLock lock(mutex_);
    if (window_ != Window::kOpen) return Invalid("Finish: there was no BeginStep");
    if (failure_.ok()) failure_ = CheckArrivals();
    if (failure_.ok()) failure_ = KeepAliases("between backward() and Finish()");
    const Status launched = Remember(LaunchAll());  // also after a failure: peers wait for us
    return failure_.ok() ? launched : failure_;
  });
}

// The divisor is known only now: one more pass over the gradients.
void FlatReducer::DivideByContributions() {
  const std::vector<double>& shares = facts_.contributions();
  std::vector<int> joined;
  for (size_t rank = 0; rank < shares.size(); ++rank) {
    if (shares[rank] == 0) joined.push_back(static_cast<int>(rank));
  }
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  const double divisor = settings_.divisor == "active" ? total * shape_.divisor : total;
  if (divisor > 0) model_->ScaleGradients(1 / divisor);
  world_.SetJoined(std::move(joined));
}

// What the reduced step still needs: facts, their consequences, and gradients where users look.
Status FlatReducer::Settle() {
  facts_.Read();
  if (!facts_.contributions().empty()) DivideByContributions();
  STEMMA_RETURN_IF_ERROR(KeepAliases("between Finish() and Wait()"));
  arrivals_->Learn();
  for (size_t slot = 0; facts_.tells_use() && slot < plan().slots.size(); ++slot) {
    if (!facts_.UsedBySomebody(slot)) model_->DropGradient(slot);
  }
  return {};
}

Status FlatReducer::Wait() {
  const MutexLock lock(mutex_);
  if (window_ != Window::kLaunched) return Invalid("Wait: there was no Finish");
  const auto begin = std::chrono::steady_clock::now();
  Status waited = queue_->Wait();
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  stats_.wait_s += spent.count();
  if (failure_.ok() && waited.ok()) waited = Guard("Wait", [&] { return Settle(); });
  if (failure_.ok()) failure_ = waited;
  window_ = failure_.ok() ? Window::kIdle : Window::kFailed;
  const std::vector<double>& given = facts_.contributions();  // all 0: nothing to update with
  const bool reduced = given.empty() || std::accumulate(given.begin(), given.end(), 0.0) > 0;
  shards_unused_ = failure_.ok() && shard_.ranks > 1 && reduced;
  return failure_;
}

void FlatReducer::Abandon() {
  const Status ignored = Guard("Abandon", [&]() -> Status {
    const MutexLock lock(mutex_);
    // The same scale as last time: it is no secret of this rank, and the gradients are lost anyway.
    if (window_ == Window::kIdle) Open(shape_);
    const Status launched = window_ == Window::kOpen ? LaunchAll() : Status();
    const Status waited = queue_->Wait();
    window_ = Window::kIdle;
    return launched.ok() ? waited : launched;
  });
  static_cast<void>(ignored);  // the caller reports what came first
}

Status FlatReducer::CompareReplicas() {
  uint64_t digest = 0;
  STEMMA_RETURN_IF_ERROR(Agree(world_.cohort(), Guard("digest", [&]() -> Status {
                                 digest = model_->Digest();
                                 return {};
                               })));
  return CompareDigests(world_.cohort(), digest, "parameters and buffers of the replicas");
}

uint64_t FlatReducer::launched_digest() const {
  const MutexLock lock(mutex_);
  return queue_->digest();
}

}  // namespace stemma::ops
