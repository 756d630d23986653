#include "models/data/window_order.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/check.h"

namespace stemma::models {

WindowOrder::WindowOrder(uint64_t seed, std::vector<int64_t> groups, int64_t window)
    : seed_(seed), window_(window) {
  STEMMA_CHECK(window >= 1, "a window of " + std::to_string(window) + " groups");
  STEMMA_CHECK(groups.size() < uint64_t{1} << 32, "too many groups");
  firsts_.reserve(groups.size() + 1);
  firsts_.push_back(0);
  for (const int64_t samples : groups) {
    STEMMA_CHECK(samples >= 0, "a group of " + std::to_string(samples) + " samples");
    firsts_.push_back(firsts_.back() + samples);
  }
  STEMMA_CHECK(size() >= 1, "an order of no samples");
}

std::vector<int64_t> WindowOrder::GroupsOf(uint64_t epoch) const { return Of(epoch)->groups; }

std::shared_ptr<const WindowOrder::Epoch> WindowOrder::Of(uint64_t epoch) const {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& known : known_) {
    if (known && known->epoch == epoch) return known;
  }
  const auto count = static_cast<int64_t>(firsts_.size()) - 1;
  const KeyedPermutation permutation(count);
  const OrderKey key = KeyOfEpoch(seed_, epoch, kGroupTag);
  auto made = std::make_shared<Epoch>();
  made->epoch = epoch;
  made->begins.push_back(0);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t group = permutation.At(key, i);
    const auto at = static_cast<size_t>(group);
    made->groups.push_back(group);
    made->begins.push_back(made->begins.back() + firsts_[at + 1] - firsts_[at]);
  }
  // Readers that are a batch ahead are in the next epoch while the others end this one.
  known_[epoch % 2] = made;
  return made;
}

int64_t WindowOrder::At(uint64_t epoch, int64_t i) const {
  STEMMA_CHECK(i >= 0 && i < size(),
               "position " + std::to_string(i) + " of " + std::to_string(size()));
  const std::shared_ptr<const Epoch> of = Of(epoch);
  const std::vector<int64_t>& begins = of->begins;
  // The group, in the epoch's order, that position `p` lies in: the last that begins at or before
  // it, so that one without samples is never met.
  const auto group_at = [&](int64_t p) {
    return std::upper_bound(begins.begin(), begins.end() - 1, p) - begins.begin() - 1;
  };
  const int64_t groups = static_cast<int64_t>(of->groups.size());
  const int64_t window = group_at(i) / window_;
  const int64_t begin = begins[static_cast<size_t>(window * window_)];
  const int64_t end = begins[static_cast<size_t>(std::min(groups, (window + 1) * window_))];
  const OrderKey key = KeyOfEpoch(seed_, epoch, kWindowTag, static_cast<uint32_t>(window));
  const int64_t p = begin + KeyedPermutation(end - begin).At(key, i - begin);
  const auto group = static_cast<size_t>(group_at(p));
  return firsts_[static_cast<size_t>(of->groups[group])] + p - begins[group];
}

}  // namespace stemma::models
