#include "models/data/order.h"

#include <string>

#include "core/check.h"
#include "core/random.h"

namespace stemma::models {

namespace {

constexpr uint32_t kRounds = 8;

uint32_t Low(uint64_t v) { return static_cast<uint32_t>(v); }
uint32_t High(uint64_t v) { return static_cast<uint32_t>(v >> 32); }

}  // namespace

OrderKey KeyOfEpoch(uint64_t seed, uint64_t epoch, uint32_t tag, uint32_t number) {
  const auto words = Philox4x32({Low(epoch), High(epoch), tag, number}, {Low(seed), High(seed)});
  return {words[0], words[1]};
}

KeyedPermutation::KeyedPermutation(int64_t size) : size_(size) {
  STEMMA_CHECK(size >= 1 && size < int64_t{1} << 62, "an order of " + std::to_string(size));
  while (int64_t{1} << (2 * half_bits_) < size) ++half_bits_;
}

int64_t KeyedPermutation::At(OrderKey key, int64_t i) const {
  STEMMA_CHECK(i >= 0 && i < size_,
               "position " + std::to_string(i) + " of " + std::to_string(size_));
  uint64_t value = static_cast<uint64_t>(i);
  do {
    value = Pass(value, key);
  } while (value >= static_cast<uint64_t>(size_));
  return static_cast<int64_t>(value);
}

uint64_t KeyedPermutation::Pass(uint64_t value, OrderKey key) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t left = value >> half_bits_, right = value & mask;
  for (uint32_t round = 0; round < kRounds; ++round) {
    const uint64_t mixed = left ^ (Philox4x32({Low(right), round, 0, 0}, key)[0] & mask);
    left = right;
    right = mixed;
  }
  return left << half_bits_ | right;
}

}  // namespace stemma::models
