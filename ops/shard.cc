#include "ops/shard.h"

#include <algorithm>

#include "core/check.h"

namespace stemma::ops {

Range ShardOfChunks(int64_t chunks, const Shard& shard) {
  STEMMA_CHECK(chunks >= 0 && 0 <= shard.rank && shard.rank < shard.ranks,
               "shard " + std::to_string(shard.rank) + " of " + std::to_string(shard.ranks));
  return {shard.rank * chunks / shard.ranks, (shard.rank + 1) * chunks / shard.ranks};
}

Range ShardOf(const BucketInfo& bucket, const Shard& shard) {
  if (shard.ranks == 1) return {bucket.offset, bucket.offset + bucket.count};
  STEMMA_CHECK(bucket.offset % kChunk == 0 && bucket.count % (kChunk * shard.ranks) == 0,
               "the plan was made for another number of shards");
  const Range chunks = ShardOfChunks(bucket.count / kChunk, shard);
  return {bucket.offset + chunks.begin * kChunk, bucket.offset + chunks.end * kChunk};
}

Range ShardOf(const Plan& plan, const Slot& slot, const Shard& shard) {
  const Range part = ShardOf(plan.buckets[slot.bucket], shard);
  const int64_t begin = std::clamp<int64_t>(part.begin - slot.offset, 0, slot.count);
  const int64_t end = std::clamp<int64_t>(part.end - slot.offset, 0, slot.count);
  return {begin, end};
}

int OwnerOf(const BucketInfo& bucket, int64_t offset, int ranks) {
  return static_cast<int>((offset - bucket.offset) / ShardOf(bucket, {0, ranks}).count());
}

ShardArrays ArraysOf(const Plan& plan, const Shard& shard) {
  ShardArrays arrays;
  for (const SegmentInfo& segment : plan.segments) {
    arrays.count.push_back(shard.ranks == 1 ? segment.count : 0);
  }
  for (const BucketInfo& bucket : plan.buckets) {
    int64_t& count = arrays.count[bucket.segment];
    arrays.begin.push_back(shard.ranks == 1 ? bucket.offset : count);
    if (shard.ranks > 1) count += ShardOf(bucket, shard).count();
  }
  return arrays;
}

std::vector<int64_t> ShardCounts(const BucketInfo& bucket, int ranks) {
  std::vector<int64_t> counts;
  for (int rank = 0; rank < ranks; ++rank) counts.push_back(ShardOf(bucket, {rank, ranks}).count());
  return counts;
}

}  // namespace stemma::ops
