// The order of samples in an epoch, as a pure function: the i-th sample of epoch e is
// SampleOrder(seed, n).At(e, i). Nothing is stored and nothing is shuffled in place, so any
// position of any epoch is found at once, which is what makes resume, fork and reshape exact.
//
//   const SampleOrder order(seed, data.Size());
//   const int64_t id = order.At(cursor.epoch, cursor.sample + k);
//
// Specified to the bit, because states outlive programs:
//   epoch key   words 0 and 1 of Philox4x32-10(counter {epoch low, epoch high, kOrderTag, 0}, key
//               {seed low, seed high})
//   domain      2^(2h) with the smallest h >= 1 that makes it at least n
//   one pass    a balanced Feistel network on (left, right), h bits each, 8 rounds r = 0..7:
//               (left, right) := (right, left xor (word 0 of Philox({right, r, 0, 0}, epoch key)
//               mod 2^h))
//   walk        passes are repeated until the value is below n: a bijection stays one
//
// A Fisher-Yates table would be faster per lookup but costs 8 bytes a sample and a pause per epoch.
// An order for disks that want to be read in large pieces is in window_order.h. Plain values; any
// thread.
#pragma once

#include <array>
#include <cstdint>

namespace stemma::models {

constexpr uint32_t kOrderTag = 0x6F726472;  // "ordr"

using OrderKey = std::array<uint32_t, 2>;

// Words 0 and 1 of Philox({epoch low, epoch high, tag, number}, {seed low, seed high}).
OrderKey KeyOfEpoch(uint64_t seed, uint64_t epoch, uint32_t tag, uint32_t number = 0);

// The bijection of [0, size) that the text above specifies for one key.
class KeyedPermutation {
 public:
  // REQUIRES: 1 <= size < 2^62
  explicit KeyedPermutation(int64_t size);
  // REQUIRES: 0 <= i < size
  int64_t At(OrderKey key, int64_t i) const;
  int64_t size() const { return size_; }

 private:
  uint64_t Pass(uint64_t value, OrderKey key) const;

  int64_t size_;
  int half_bits_ = 1;
};

class SampleOrder {
 public:
  // REQUIRES: 1 <= size < 2^62
  SampleOrder(uint64_t seed, int64_t size) : seed_(seed), permutation_(size) {}

  // The sample at position `i` of `epoch`. For a fixed epoch this is a bijection of [0, size).
  // REQUIRES: 0 <= i < size
  int64_t At(uint64_t epoch, int64_t i) const {
    return permutation_.At(KeyOfEpoch(seed_, epoch, kOrderTag), i);
  }

  int64_t size() const { return permutation_.size(); }

 private:
  uint64_t seed_;
  KeyedPermutation permutation_;
};

}  // namespace stemma::models
