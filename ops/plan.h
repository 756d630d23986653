// The plan: which parameter lies in which bucket, at which offset, and in which order buckets are
// reduced. A pure function of the model's description and the settings, made before step 0 and
// compared by digest on all ranks; nothing is negotiated later.
//
//   STEMMA_ASSIGN_OR_RETURN(Plan plan, MakePlan({{"w", {64, 3}}, {"b", {64}}}, settings));
//   std::fputs(plan.text.c_str(), stdout);
//
// Rules (ENGINE section 9, OPTIM section 9.3): trainable parameters in reverse registration order,
// because backward reaches the last layers first; one open bucket per dtype, closed when the next
// tensor would exceed the cap; a first and a last bucket of `first_mb` / `last_mb` at most, so that
// communication starts early and ends soon; a tensor larger than the cap has a bucket of its own.
// Caps count the tensors' bytes, without padding. Buckets are launched in the order in which their
// last tensors come.
//
// Offsets count elements in one flat segment per dtype: a tensor of at least kChunk elements starts
// at a multiple of kChunk, a smaller one does not straddle one, so that chunks counted from a
// tensor's start and shards cut at chunks never meet in the middle; every tensor starts on a
// 64-byte boundary, every bucket on one of 4096 bytes. Padding is zero for ever.
//
// With a sharded optimizer (settings.shard = "optimizer") a bucket also starts at a multiple of
// kChunk, and its tail is padded to a whole number of chunks that the ranks divide (shard.h). The
// offsets of tensors within their bucket are the same for every number of ranks.
//
// No LibTorch here. Plain values; no thread rule.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/status.h"
#include "ops/settings.h"

namespace stemma::ops {

constexpr int64_t kChunk = 4096;  // elements; norms are summed per chunk, so it decides bits

struct ParameterInfo {
  std::string name;
  std::vector<int64_t> shape;
  DType dtype = DType::kF32;
  bool trainable = true;
  int64_t count() const;         // elements
  std::string Describe() const;  // "f32[64,3,7,7]", "f32[64] frozen"
};

struct Slot {            // where one trainable parameter lies
  size_t parameter = 0;  // index into the list given to MakePlan
  size_t bucket = 0;
  int64_t offset = 0;  // elements from the start of its dtype's segment
  int64_t count = 0;   // elements
};

struct BucketInfo {
  DType dtype = DType::kF32;
  size_t segment = 0;         // index into Plan::segments
  int64_t offset = 0;         // elements from the start of the segment
  int64_t count = 0;          // elements, padding included
  std::vector<size_t> slots;  // indices into Plan::slots
};

struct SegmentInfo {
  DType dtype = DType::kF32;
  int64_t count = 0;  // elements, padding included
};

struct Plan {
  std::vector<SegmentInfo> segments;  // one per dtype that occurs
  std::vector<BucketInfo> buckets;    // in launch order
  std::vector<Slot> slots;            // in launch order: last parameter first
  int shards = 1;                     // parts of every bucket; 1: nothing is sharded
  OpsSettings settings;               // what it was made with
  std::string text;                   // for people: `stemma plan`, error texts
  std::string digest;                 // Sha256(text), raw bytes
};

// `ranks` counts only when the optimizer is sharded. kInvalidArgument: duplicate or empty name, a
// tensor without elements, a dtype that cannot be reduced, caps that are not positive, an unknown
// value of `unused`, `compress`, `divisor`, `lost_alias`, `check_finite` or `shard`, `shard`
// together with `compress`, no trainable parameter.
Result<Plan> MakePlan(const std::vector<ParameterInfo>& parameters, const OpsSettings& settings,
                      int ranks = 1);

}  // namespace stemma::ops
