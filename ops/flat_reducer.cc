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

// Behind the names of the calls of a rank that never had a shape.
constexpr char kUnknownScale[] =
    ", by a rank that failed before its first BeginStep (its own error is the cause)";

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
  world_.SetJoined({});  // with the steps end those in which only some had data
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
    queue_.reset();  // until all of the new plan is there, no step can begin
    hooks_.Clear();
    world_.SetJoined({});
    shards_unused_ = false;
    if (shard_.ranks > 1) bucket_hook_ = MakeReduceScatter(plan());  // its parts are the plan's
    STEMMA_RETURN_IF_ERROR(bucket_hook_->Prepare(world_, model_->Buckets()));
    STEMMA_RETURN_IF_ERROR(facts_.Allocate(settings_, world_, plan().slots.size()));
    if (user_hook_) model_->ExtendPlan("hook " + bucket_hook_->name() + "\n");
    arrivals_ = std::make_unique<Arrivals>(plan());
    zeros_ = std::make_unique<LateZeros>(plan(), spaces(), model_->gradients());
    for (size_t slot = 0; slot < plan().slots.size(); ++slot) {
      hooks_.Add(
          model_->parameter(slot).tensor, [this](size_t s) { OnArriving(s); },
          [this](size_t s) { OnGradient(s); });
    }
    queue_ = std::make_unique<LaunchQueue>(world_.data(), Calls());
    return {};
  });
}

// A rank where it went well must not begin steps that the others cannot.
Status FlatReducer::StartAgain() {
  Status status = Agree(world_.cohort(), Start());
  const MutexLock lock(mutex_);
  if (!status.ok()) queue_.reset();
  return status;
}

Status FlatReducer::AddHook(std::unique_ptr<BucketHook> hook) {
  Cohort& cohort = world_.cohort();
  const auto checked = [&] {
    const MutexLock lock(mutex_);
    return CheckHook(hook.get());
  };
  STEMMA_RETURN_IF_ERROR(Agree(cohort, checked()));
  STEMMA_RETURN_IF_ERROR(AgreeOn(cohort, {{"the hook of AddHook", hook->name()}}));
  {
    const MutexLock lock(mutex_);
    queue_.reset();  // it knows the hook that goes
    bucket_hook_ = std::move(hook);
    user_hook_ = true;
  }
  return StartAgain();
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
  return StartAgain();
}

Status FlatReducer::BroadcastBuffers() {
  const auto checked = [&] {
    const MutexLock lock(mutex_);
    return CheckIdle("BroadcastBuffers");
  };
  STEMMA_RETURN_IF_ERROR(Agree(world_.cohort(), checked()));
  return model_->BroadcastCounters();
}

double FlatReducer::ScaleOf(const StepShape& shape) const {
  if (settings_.divisor == "samples") return 1 / shape.divisor;
  if (settings_.divisor == "world") return 1 / (shape.divisor * world_.ranks());
  return 1;  // counted, active: known when the step's facts have come
}

void FlatReducer::Open(const StepShape& shape) {
  stats_.aliases_reattached += model_->ReattachGradients();
  zeros_->Begin(settings_.zero_gradients == "arrival");
  queue_->Start(ScaleOf(shape));
  shape_ = shape;
  stuck_ = false;
  contribution_ = settings_.divisor == "counted" ? shape.divisor : 1;
  backwards_seen_.clear();
  non_finite_.clear();
  failure_ = {};
  std::vector<bool> trainable;
  for (size_t slot = 0; slot < plan().slots.size(); ++slot) {
    trainable.push_back(model_->parameter(slot).tensor.requires_grad());
    if (!trainable.back()) zeros_->BeforeFirst(slot);  // nobody waits for it
  }
  arrivals_->Open(shape.micro_batches, trainable);
  window_ = Window::kOpen;
}

Status FlatReducer::BeginStep(const StepShape& shape) {
  return Guard("BeginStep", [&]() -> Status {
    const MutexLock lock(mutex_);
    STEMMA_RETURN_IF_ERROR(CheckShape(shape));
    STEMMA_RETURN_IF_ERROR(CheckModel());
    Open(shape);
    opened_ = true;
    return {};
  });
}

Status FlatReducer::ContributeNothing(const StepShape& shape) {
  return Guard("ContributeNothing", [&]() -> Status {
    const MutexLock lock(mutex_);
    STEMMA_RETURN_IF_ERROR(CheckShape(shape));
    STEMMA_RETURN_IF_ERROR(CheckModel());
    Open(shape);
    opened_ = true;
    contribution_ = 0;
    return LaunchAll();
  });
}

void FlatReducer::OnArriving(size_t slot) {
  Status status;
  {
    const MutexLock lock(mutex_);
    if (window_ != Window::kOpen) return;  // OnGradient says so
    status = Remember(Guard("a gradient's hook", [&] { return ZeroBeforeFirst(slot); }));
  }
  TORCH_CHECK(status.ok(), status.message());
}

void FlatReducer::OnGradient(size_t slot) {
  Status status;
  {
    const MutexLock lock(mutex_);
    status = Remember(Guard("a gradient's hook", [&]() -> Status {
      STEMMA_RETURN_IF_ERROR(Count(slot));
      STEMMA_RETURN_IF_ERROR(LaunchReady());
      return world_.data().Progress();
    }));
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

Status FlatReducer::ZeroBeforeFirst(size_t slot) {
  return zeros_->BeforeFirst(slot) ? Status() : WrittenByHand(slot);
}

Status FlatReducer::LaunchReady() {
  if (!arrivals_->armed()) return {};
  // A checkpointed segment's forward may still change what is averaged, and that is called first.
  if (averaged_calls_ > 0 && arrivals_->nests() && window_ == Window::kOpen) return {};
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
  return Remember(Guard("launch", [&]() -> Status {
    std::vector<uint8_t> used;
    for (size_t slot = 0; facts_.tells_use() && slot < plan().slots.size(); ++slot) {
      used.push_back(arrivals_->Used(slot));
    }
    facts_.Write(used, contribution_);
    arrivals_->Close();
    const std::vector<size_t> written = zeros_->Rest();
    STEMMA_RETURN_IF_ERROR(LaunchReady());
    return written.empty() ? Status() : WrittenByHand(written.front());
  }));
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
    if (failure_.ok()) {
      failure_ =
          Guard("Finish", [&] { return KeepAliases("between backward() and Finish()", false); });
    }
    const Status launched = LaunchAll();  // also after a failure: peers wait for us
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
  if (total == 0) joined.clear();  // the last step of all: nobody waits for anybody any more
  const double divisor = settings_.divisor == "active" ? total * shape_.divisor : total;
  if (divisor > 0) model_->ScaleGradients(1 / divisor);
  world_.SetJoined(std::move(joined));
}

// What the reduced step still needs: facts, their consequences, and gradients where users look.
Status FlatReducer::Settle() {
  facts_.Read();
  if (!facts_.contributions().empty()) DivideByContributions();
  STEMMA_RETURN_IF_ERROR(KeepAliases("between Finish() and Wait()", true));
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
  stuck_ = queue_->stuck() || !queue_->done();
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

void FlatReducer::Abandon() { AbandonStep(nullptr); }

void FlatReducer::Abandon(const StepShape& shape) { AbandonStep(&shape); }

void FlatReducer::AbandonStep(const StepShape* shape) {
  const Status ignored = Guard("Abandon", [&]() -> Status {
    const MutexLock lock(mutex_);
    if (queue_ == nullptr) return {};  // no rank could begin this step
    stuck_ = true;                     // unless the end of this is reached
    if (window_ == Window::kIdle) OpenAbandoned(shape);
    if (!queue_->done()) static_cast<void>(LaunchAll());
    const Status waited = queue_->Wait();
    stuck_ = queue_->stuck() || !queue_->done();
    window_ = Window::kIdle;
    return waited;
  });
  static_cast<void>(ignored);  // the caller reports what came first
}

// The scale is the step's, or else the last one's. In the first step this rank has none to
// announce, and with comm.check=full its peers are told why theirs is another.
void FlatReducer::OpenAbandoned(const StepShape* shape) {
  const bool given = shape != nullptr && shape->divisor > 0 && std::isfinite(shape->divisor);
  const bool known = given || opened_ || ScaleOf({1, 1}) == ScaleOf({1, 2});
  Open(given ? *shape : shape_);
  opened_ = opened_ || given;
  if (!known) queue_->AddNote(kUnknownScale);
}

bool FlatReducer::stuck() const {
  const MutexLock lock(mutex_);
  return stuck_ || (queue_ != nullptr && queue_->stuck());
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
  return queue_ == nullptr ? 0 : queue_->digest();
}

}  // namespace stemma::ops
