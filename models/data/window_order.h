// The order of samples for a data set that lies in groups on its disk (shards), which wants to be
// read in large pieces: groups come in an order of their own, a window of them at a time, and
// samples are mixed inside a window. All ranks read the same few shards at the same time, and the
// page cache or the disk's read-ahead has them.
//
//   const WindowOrder order(seed, data.Groups(), 16);
//   const int64_t id = order.At(cursor.epoch, cursor.sample + k);
//
// A pure function of (seed, epoch, i), the groups and the window, as SampleOrder is one of (seed,
// epoch, i) and n; specified to the bit, with the key of an epoch and the permutation of order.h:
//   groups     g(0), g(1), ...: the permutation of their number, by the epoch's key for
//              kGroupTag and number 0
//   windows    window w has the groups g(wK) ... g(wK + K - 1), the last one what is left; its
//              samples are numbered group by group in that order; windows follow each other
//   inside     position j of window w is sample number p(j) of it, p being the permutation of the
//              window's samples by the epoch's key for kWindowTag and number w
// One window over all groups is still not SampleOrder's order: a state says which one it is in the
// middle of.
//
// Where the windows of an epoch begin is computed once per epoch and kept for the two epochs last
// asked for, 16 bytes a group. Thread: any number at once. Owner: the caller.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "models/data/order.h"

namespace stemma::models {

constexpr uint32_t kGroupTag = 0x67727570;   // "grup"
constexpr uint32_t kWindowTag = 0x77696E64;  // "wind"

class WindowOrder {
 public:
  // `groups`: how many samples each has, in the order of their ids; one without any is allowed.
  // REQUIRES: window >= 1; 1 <= sum of groups < 2^62; fewer than 2^32 groups
  WindowOrder(uint64_t seed, std::vector<int64_t> groups, int64_t window);

  // The sample at position `i` of `epoch`. For a fixed epoch this is a bijection of [0, size).
  // REQUIRES: 0 <= i < size
  int64_t At(uint64_t epoch, int64_t i) const;

  // The groups in the order in which `epoch` needs them: what is to be fetched first.
  std::vector<int64_t> GroupsOf(uint64_t epoch) const;

  int64_t size() const { return firsts_.back(); }

 private:
  struct Epoch {
    uint64_t epoch = 0;
    std::vector<int64_t> groups;  // in this epoch's order
    std::vector<int64_t> begins;  // the position at which each of them begins; at the end size()
  };
  std::shared_ptr<const Epoch> Of(uint64_t epoch) const;

  const uint64_t seed_;
  const int64_t window_;
  std::vector<int64_t> firsts_;  // the first id of each group; at the end size()
  mutable std::mutex mutex_;
  mutable std::array<std::shared_ptr<const Epoch>, 2> known_;  // guarded by mutex_
};

}  // namespace stemma::models
