#include "ops/flat_reducer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "ops/guard.h"
#include "ops/shard_collectives.h"
#include "ops/tensor_bytes.h"

namespace stemma::ops {
namespace {

constexpr size_t kNamesShown = 5;

Status Invalid(const std::string& text) { return {Code::kInvalidArgument, text}; }

std::string Times(int n) { return std::to_string(n) + (n == 1 ? " time" : " times"); }

}  // namespace

FlatReducer::FlatReducer(const OpsSettings& settings, comm::World& world,
                         std::unique_ptr<FlatModel> model, std::unique_ptr<BucketHook> bucket_hook)
    : settings_(settings),
      world_(world),
      model_(std::move(model)),
      bucket_hook_(std::move(bucket_hook)),
      average_(MakeAllReduce(comm::Op::kAverage)),
      shard_(model_->plan().shards > 1 ? Shard{world.rank(), world.ranks()} : Shard{}),
      device_(DeviceOf(world)),
      averaged_calls_(model_->averaged().size()) {}

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
  for (const Bucket& bucket : model_->Buckets()) calls.push_back({bucket, bucket_hook_.get()});
  return calls;
}

Status FlatReducer::Start() {
  return Guard("Reducer::Create", [&]() -> Status {
    STEMMA_RETURN_IF_ERROR(bucket_hook_->Prepare(world_, model_->Buckets()));
    const MutexLock lock(mutex_);
    queue_ = std::make_unique<LaunchQueue>(world_.data(), Calls());
    for (size_t slot = 0; slot < plan().slots.size(); ++slot) {
      hooks_.Add(model_->parameter(slot).tensor, [this](size_t s) { OnGradient(s); });
    }
    return {};
  });
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

void FlatReducer::Open(const StepShape& shape) {
  stats_.aliases_reattached += model_->ReattachGradients();
  model_->ZeroGradients();
  queue_->Start(1 / shape.divisor);
  shape_ = shape;
  armed_ = false;
  failure_ = {};
  arrived_.assign(plan().slots.size(), 0);
  missing_.clear();
  for (const BucketInfo& bucket : plan().buckets) {
    missing_.push_back(static_cast<size_t>(std::count_if(
        bucket.slots.begin(), bucket.slots.end(),
        [&](size_t slot) { return model_->parameter(slot).tensor.requires_grad(); })));
  }
  window_ = Window::kOpen;
}

Status FlatReducer::CheckShape(const StepShape& shape) const {
  if (window_ == Window::kOpen || window_ == Window::kLaunched) {
    return Invalid(std::string("BeginStep: the step before has not ended: call ") +
                   (window_ == Window::kOpen ? "Finish() and " : "") +
                   "Wait() after its last backward()");
  }
  if (shards_unused_) {
    return Invalid(
        "BeginStep: with ops.shard = optimizer the step before left each rank its part of the "
        "reduced gradients, and no optimizer used it: call Step() of an optimizer made by "
        "optim::Make, or set ops.shard = none for any other optimizer");
  }
  if (shape.micro_batches < 1) {
    return Invalid("BeginStep: micro_batches is " + std::to_string(shape.micro_batches) +
                   ", at least 1 is needed");
  }
  if (shape.divisor > 0 && std::isfinite(shape.divisor)) return {};
  return Invalid("BeginStep: divisor is " + std::to_string(shape.divisor) +
                 ": give the number of samples of the global batch");
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

void FlatReducer::OnGradient(size_t slot) {
  Status status;
  {
    const MutexLock lock(mutex_);
    status = Count(slot);
    if (status.ok()) status = LaunchReady();
    status = Remember(std::move(status));
  }
  TORCH_CHECK(status.ok(), status.message());
}

Status FlatReducer::Count(size_t slot) {
  const std::string& name = model_->parameter(slot).name;
  const int announced = shape_.micro_batches;
  const bool open = window_ == Window::kOpen;
  if (!open && arrived_.empty()) {
    return Invalid("\"" + name + "\": a gradient arrived before the first BeginStep");
  }
  const int arrived = ++arrived_[slot];
  if (arrived > announced) {
    return Invalid("\"" + name + "\": its gradient arrived " + Times(arrived) +
                   " since BeginStep, which announced micro_batches = " +
                   std::to_string(announced) + ": announce every backward() of the step");
  }
  if (!open) {
    return Invalid("\"" + name +
                   "\": a gradient arrived after Finish(): call backward() between "
                   "BeginStep and Finish");
  }
  if (!model_->GradientIsAlias(slot)) {
    return Invalid("\"" + name +
                   "\": its .grad is not in the bucket any more: BeginStep zeroes "
                   "gradients, so leave out zero_grad() after it, and create_graph");
  }
  if (arrived < announced) return {};
  armed_ = true;
  --missing_[plan().slots[slot].bucket];
  return {};
}

Status FlatReducer::LaunchReady() {
  if (!armed_) return {};
  void* const stream = StreamOf(device_);
  while (!queue_->done()) {
    const size_t next = queue_->next();
    const bool is_bucket = next >= averaged_calls_;
    if (is_bucket && missing_[next - averaged_calls_] > 0) break;
    STEMMA_RETURN_IF_ERROR(queue_->Launch(stream));
    if (!is_bucket) continue;
    ++stats_.buckets_launched;
    if (window_ == Window::kOpen) ++stats_.launched_before_finish;
  }
  return {};
}

Status FlatReducer::LaunchAll() {
  window_ = Window::kLaunched;
  armed_ = true;
  std::fill(missing_.begin(), missing_.end(), 0);
  return LaunchReady();
}

Status FlatReducer::CheckArrivals() const {
  const int most = *std::max_element(arrived_.begin(), arrived_.end());
  if (most > 0 && most < shape_.micro_batches) {
    return Invalid("Finish: backward() ran " + Times(most) +
                   " since BeginStep, which announced micro_batches = " +
                   std::to_string(shape_.micro_batches));
  }
  if (!(settings_.unused == "error")) return {};
  std::string names;
  size_t unused = 0;
  for (size_t slot = 0; slot < arrived_.size(); ++slot) {
    const Parameter& p = model_->parameter(slot);
    if (arrived_[slot] > 0 || !p.tensor.requires_grad() || ++unused > kNamesShown) continue;
    names += (names.empty() ? "\"" : ", \"") + p.name + "\"";
  }
  if (unused == 0) return {};
  return Invalid("Finish: " + std::to_string(unused) + " of " + std::to_string(arrived_.size()) +
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
    const Status launched = Remember(LaunchAll());  // also after a failure: peers wait for us
    return failure_.ok() ? launched : failure_;
  });
}

Status FlatReducer::Wait() {
  const MutexLock lock(mutex_);
  if (window_ != Window::kLaunched) return Invalid("Wait: there was no Finish");
  const auto begin = std::chrono::steady_clock::now();
  const Status waited = queue_->Wait();
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  stats_.wait_s += spent.count();
  if (failure_.ok()) failure_ = waited;
  window_ = failure_.ok() ? Window::kIdle : Window::kFailed;
  shards_unused_ = failure_.ok() && shard_.ranks > 1;
  return failure_;
}

Status FlatReducer::GatherSums(const at::Tensor& mine, const std::vector<int64_t>& counts,
                               const at::Tensor& all) {
  {
    const MutexLock lock(mutex_);
    shards_unused_ = false;
  }
  return Guard("GatherSums", [&] { return ops::GatherSums(world_, mine, counts, all); });
}

Status FlatReducer::GatherParameters() {
  if (shard_.ranks == 1) return {};
  return Guard("GatherParameters", [&] { return GatherShards(world_, *model_); });
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

uint64_t FlatReducer::launched_digest() const {
  const MutexLock lock(mutex_);
  return queue_->digest();
}

}  // namespace stemma::ops
