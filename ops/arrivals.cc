#include "ops/arrivals.h"

#include <algorithm>

namespace stemma::ops {
namespace {

Status Invalid(const std::string& text) { return {Code::kInvalidArgument, text}; }

std::string Times(int n) { return std::to_string(n) + (n == 1 ? " time" : " times"); }

std::vector<size_t> BucketsOf(const Plan& plan) {
  std::vector<size_t> buckets;
  for (const Slot& slot : plan.slots) buckets.push_back(slot.bucket);
  return buckets;
}

}  // namespace

Arrivals::Arrivals(const Plan& plan)
    : bucket_of_(BucketsOf(plan)), buckets_(plan.buckets.size()), expected_(plan.slots.size(), 1) {}

std::string Arrivals::Announced() const {
  return " since BeginStep, which announced micro_batches = " + std::to_string(announced_);
}

void Arrivals::Open(int micro_batches, const std::vector<bool>& trainable) {
  announced_ = micro_batches;
  backwards_ = 0;
  armed_ = nested_ = false;
  trainable_ = trainable;
  arrived_.assign(bucket_of_.size(), 0);
  missing_.assign(buckets_, 0);
  for (size_t slot = 0; slot < trainable.size(); ++slot) {
    if (trainable[slot]) ++missing_[bucket_of_[slot]];
  }
}

Status Arrivals::Count(size_t slot, const std::string& name) {
  if (!trainable_[slot]) {
    return Invalid("\"" + name +
                   "\" was frozen at BeginStep, and a gradient of it arrived: change requires_grad "
                   "between Wait() and BeginStep");
  }
  const int arrived = ++arrived_[slot];
  if (learning_) return {};
  const int expected = announced_ * expected_[slot];
  if (arrived > expected) {
    const std::string each =
        expected_[slot] == 1 ? "" : " (" + Times(expected_[slot]) + " each, as in the first step)";
    return Invalid("\"" + name + "\": its gradient arrived " + Times(arrived) + Announced() + each +
                   ": announce every backward() of the step");
  }
  if (arrived < expected) return {};
  armed_ = true;
  --missing_[bucket_of_[slot]];
  return {};
}

Status Arrivals::BackwardEnded(bool nested) {
  nested_ = nested_ || nested;
  if (nested || ++backwards_ <= announced_) return {};
  return Invalid("backward() ran " + Times(backwards_) + Announced() +
                 ": announce every backward() of the step");
}

Status Arrivals::Check() const {
  int most = backwards_;
  for (size_t slot = 0; slot < arrived_.size(); ++slot) {
    // Rounded up: a parameter may be used by some micro-batches only.
    if (!learning_) most = std::max(most, (arrived_[slot] + expected_[slot] - 1) / expected_[slot]);
  }
  if (most == 0 || most >= announced_ || (learning_ && nested_)) return {};
  return Invalid("Finish: backward() ran " + Times(most) + Announced());
}

void Arrivals::Close() {
  armed_ = true;
  std::fill(missing_.begin(), missing_.end(), 0);
}

void Arrivals::Learn() {
  const bool used =
      std::any_of(arrived_.begin(), arrived_.end(), [](int arrived) { return arrived > 0; });
  if (!learning_ || !used) return;
  learning_ = false;
  nests_ = nested_;
  if (!nests_) return;
  for (size_t slot = 0; slot < arrived_.size(); ++slot) {
    expected_[slot] = std::max(1, (arrived_[slot] + announced_ - 1) / announced_);
  }
}

}  // namespace stemma::ops
