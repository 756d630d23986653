// The replica audit: disjoint writing stitches a state together from N replicas, so a silently
// diverged one would make a model that never existed. Therefore all ranks hash the same rotating
// 1/k sample of what they claim to hold alike, and compare 64 bits.
//
//   ReplicaSample sample(spans, capture, capture == 1 ? 1 : kAuditEvery, step);
//   sample.Hash(source, true);                   // the loop's thread: spans that change at once
//   sample.Hash(source, false);                  // the copy thread: the others
//   bits.audit = sample.Digest();
//
// The sample is every k-th tile of 256 KiB, counted over all replicated spans, starting at the
// capture's number: k captures cover everything. One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/span.h"

namespace stemma::lineage {

constexpr uint64_t kAuditTileBytes = 256 << 10;
constexpr uint64_t kAuditEvery = 16;

class ReplicaSample {
 public:
  // `step` goes into the digest: ranks that are not at the same step differ.
  ReplicaSample(const std::vector<Span>& spans, uint64_t capture, uint64_t every, int64_t step);

  // Reads and hashes the sampled tiles of the eager, or of the other, replicated spans.
  Status Hash(Source& source, bool eager);

  // Never 0, which means "none".
  uint64_t Digest() const;

 private:
  struct Tile {
    size_t span;
    uint64_t offset, bytes;
    bool eager;
    uint64_t digest;
  };
  std::vector<Tile> tiles_;
  uint64_t seed_;
};

// "" when all are equal; otherwise which ranks differ from the most, "rank 1 differs from ranks 0,
// 2".
std::string DifferingRanks(const std::vector<uint64_t>& digests);

}  // namespace stemma::lineage
