// What FlatReducer refuses, and in which words.
#include <cmath>

#include "ops/flat_reducer.h"

namespace stemma::ops {
namespace {

constexpr size_t kNamesShown = 5;

Status Invalid(const std::string& text) { return {Code::kInvalidArgument, text}; }

}  // namespace

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

Status FlatReducer::CheckShape(const StepShape& shape) const {
  if (queue_ == nullptr) {
    return Invalid(
        "BeginStep: the last AddHook or Replan failed, so nothing would be reduced: call "
        "Replan() again on all ranks, or make another Reducer");
  }
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

Status FlatReducer::WrittenByHand(size_t slot) const {
  return Invalid("\"" + model_->parameter(slot).name +
                 "\": its .grad was written to after BeginStep and before backward() brought its "
                 "first contribution, and may still have held the last step's result: change the "
                 "reduced gradient after Wait(), or set ops.zero_gradients=begin");
}

// The gradient of a slot lies in its bucket, or is put there where the settings allow it. `when`:
// since the last look. What is being reduced, or is the result, takes no values of this rank alone.
Status FlatReducer::KeepAlias(size_t slot, const char* when) {
  if (model_->GradientIsAlias(slot)) return {};
  if (settings_.lost_alias == "error") {
    return Invalid("\"" + model_->parameter(slot).name + "\": " + when +
                   " its .grad is not in the bucket any more: BeginStep zeroes gradients, so leave "
                   "out zero_grad() after it, and create_graph; or set ops.lost_alias=copy");
  }
  const bool launched = queue_->next() > averaged_calls_ + plan().slots[slot].bucket;
  const Parameter& p = model_->parameter(slot);
  if (launched && p.tensor.grad().defined()) {
    return Invalid("\"" + p.name + "\": " + when +
                   " its .grad was replaced by another tensor, but its bucket had been launched "
                   "before: replace nothing from backward() to Wait(), and change the reduced "
                   "gradient in place, after Wait()");
  }
  stats_.copied_bytes += model_->TakeBackGradient(slot);
  return {};
}

// `all`: also slots that had no gradient here. Others may have had one, and after Wait() .grad has
// to be what was reduced.
Status FlatReducer::KeepAliases(const char* when, bool all) {
  for (size_t slot = 0; slot < plan().slots.size(); ++slot) {
    const bool used = arrivals_->Used(slot);
    if (used || all) STEMMA_RETURN_IF_ERROR(KeepAlias(slot, used ? when : "since BeginStep"));
  }
  return {};
}

}  // namespace stemma::ops
