// Who updates what when the optimizer is sharded (ops.shard = optimizer, ZeRO-1): every bucket is
// cut into as many parts as there are ranks, at chunks. A rank receives the reduced gradient of its
// parts only, keeps optimizer state for them only, and hands its updated parameters to the others.
//
//   const Range mine = ShardOf(plan.buckets[b], shard);        // elements of the segment
//   const Range held = ShardOf(plan, plan.slots[s], shard);    // elements of the tensor
//
// Part r of a bucket with C chunks is chunks [r*C/N, (r+1)*C/N). The plan pads a bucket's tail
// until N divides C, so parts are equally long, as NCCL's reduce-scatter wants them. A tensor may
// lie in several parts, and a part may hold pieces of several tensors; since tensors keep clear of
// chunk borders (plan.h), no chunk of a tensor is ever cut, and sums per chunk do not depend on N.
//
// No LibTorch. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/plan.h"

namespace stemma::ops {

struct Range {  // [begin, end), in elements or chunks
  int64_t begin = 0, end = 0;
  int64_t count() const { return end - begin; }
};

// Which part of every bucket is this rank's. {0, 1}: all of it, because nothing is sharded.
struct Shard {
  int rank = 0, ranks = 1;
};

// REQUIRES: 0 <= chunks, 0 <= shard.rank < shard.ranks.
Range ShardOfChunks(int64_t chunks, const Shard& shard);

// Elements of the bucket's segment. With one rank the whole bucket, whatever its length. REQUIRES:
// the plan was made for shard.ranks ranks.
Range ShardOf(const BucketInfo& bucket, const Shard& shard);

// Elements of the slot's tensor, counted from its start; empty where the part holds none of it.
Range ShardOf(const Plan& plan, const Slot& slot, const Shard& shard);

// The rank whose part holds element `offset` of the bucket's segment. REQUIRES: it is the bucket's.
int OwnerOf(const BucketInfo& bucket, int64_t offset, int ranks);

// Arrays with room for this rank's parts alone, bucket after bucket: in elements, where the part of
// each bucket of the plan begins in its segment's array, and how long each segment's array is. With
// one rank an array is as long as the segment, and the same offsets address both.
struct ShardArrays {
  std::vector<int64_t> begin;  // per bucket
  std::vector<int64_t> count;  // per segment
};
ShardArrays ArraysOf(const Plan& plan, const Shard& shard);

// Elements of each rank's part of a bucket, in rank order: what collectives want to know.
std::vector<int64_t> ShardCounts(const BucketInfo& bucket, int ranks);

}  // namespace stemma::ops
