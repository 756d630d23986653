#include "ops/late_zeros.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/any.h>

#include <map>
#include <utility>

namespace stemma::ops {

LateZeros::LateZeros(const Plan& plan, const std::vector<FlatSpace>& spaces,
                     std::vector<at::Tensor> gradients)
    : gradients_(std::move(gradients)),
      late_(plan.slots.size()),
      stale_(plan.slots.size(), false),
      version_(plan.slots.size(), 0) {
  std::vector<std::map<int64_t, int64_t>> large(spaces.size());  // offset -> count
  for (size_t slot = 0; slot < plan.slots.size(); ++slot) {
    const Slot& place = plan.slots[slot];
    const size_t segment = plan.buckets[place.bucket].segment;
    const at::Tensor& flat = spaces[segment].gradients;
    if (place.count * static_cast<int64_t>(flat.element_size()) < kLargeBytes) continue;
    late_[slot] = flat.narrow(0, place.offset, place.count);
    large[segment][place.offset] = place.count;
  }
  for (size_t segment = 0; segment < spaces.size(); ++segment) {
    const at::Tensor& flat = spaces[segment].gradients;
    spaces_.push_back(flat);
    large[segment][flat.numel()] = 0;
    int64_t begin = 0;
    for (const auto& [offset, count] : large[segment]) {
      if (offset > begin) at_once_.push_back(flat.narrow(0, begin, offset - begin));
      begin = offset + count;
    }
  }
}

void LateZeros::Begin(bool late) {
  for (const at::Tensor& part : late ? at_once_ : spaces_) part.zero_();
  for (size_t slot = 0; slot < late_.size(); ++slot) {
    stale_[slot] = late && late_[slot].defined();
    if (stale_[slot]) version_[slot] = gradients_[slot]._version();
  }
}

bool LateZeros::BeforeFirst(size_t slot) {
  if (!stale_[slot]) return true;
  const at::NoGradGuard no_grad;  // backward(create_graph=true) records what hooks do
  const bool written = gradients_[slot]._version() != version_[slot];
  if (written && at::any(late_[slot]).item<bool>()) return false;
  stale_[slot] = false;
  if (!written) late_[slot].zero_();
  return true;
}

std::vector<size_t> LateZeros::Rest() {
  std::vector<size_t> written;
  for (size_t slot = 0; slot < stale_.size(); ++slot) {
    if (!BeforeFirst(slot)) written.push_back(slot);
  }
  return written;
}

}  // namespace stemma::ops
