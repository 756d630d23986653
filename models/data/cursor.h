// Where a run is in its data: the next global sample to consume. Plain data without world size, so
// the same cursor means the same samples on any number of ranks.
#pragma once

#include <cstdint>

namespace stemma::models {

struct Cursor {
  uint64_t seed = 0;    // of the order; a fork may change it
  uint64_t epoch = 0;   // whole passes over the data behind us
  uint64_t sample = 0;  // position in this epoch's order: all before it are consumed
};

inline bool operator==(const Cursor& a, const Cursor& b) {
  return a.seed == b.seed && a.epoch == b.epoch && a.sample == b.sample;
}
inline bool operator!=(const Cursor& a, const Cursor& b) { return !(a == b); }

}  // namespace stemma::models
