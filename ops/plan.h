// The plan: which parameter lies in which bucket, at which offset, and in which order buckets are
// reduced. A pure function of the model's description and the settings, made before step 0 and
// compared by digest on all ranks; nothing is negotiated later.
//
// Rules (ENGINE section 9, OPTIM section 9.3): trainable parameters in reverse registration order;
// one open bucket per dtype, closed when the next tensor would exceed the cap; a first and a last
// bucket of `first_mb` / `last_mb` at most, so that communication starts early and ends soon; a
// tensor larger than the cap has a bucket of its own. Offsets count elements in one flat segment per
// dtype: a tensor of at least kChunk elements starts at a multiple of kChunk, a smaller one does not
// straddle one, and every tensor starts on a 64-byte boundary. Padding is zero for ever.
//
// No LibTorch here. Plain values; no thread rule.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/status.h"

namespace stemma::ops {

constexpr int64_t kChunk = 4096;  // elements; norms are summed per chunk, so it decides bits

struct OpsSettings {
  double bucket_mb = 4;
  double first_mb = 1;
  double last_mb = 1;
  std::string unused = "zero";      // zero | error: what a parameter without gradient means
};

struct ParameterInfo {
  std::string name;
  std::vector<int64_t> shape;
  DType dtype = DType::kF32;
  bool trainable = true;
  int64_t count() const;  // elements
};

struct Slot {                 // where one trainable parameter lies
  size_t parameter = 0;       // index into the list given to MakePlan
  size_t bucket = 0;
  int64_t offset = 0;         // elements from the start of its dtype's segment
  int64_t count = 0;          // elements
};

struct BucketInfo {
  DType dtype = DType::kF32;
  int64_t offset = 0;         // elements from the start of the segment
  int64_t count = 0;          // elements, padding included
  std::vector<size_t> slots;  // indices into Plan::slots
};

struct SegmentInfo {
  DType dtype = DType::kF32;
  int64_t count = 0;          // elements, padding included
};

struct Plan {
  std::vector<SegmentInfo> segments;   // one per dtype that occurs
  std::vector<BucketInfo> buckets;     // in launch order
  std::vector<Slot> slots;             // in launch order: last parameter first
  std::string text;                    // for people: `stemma plan`, error texts
  std::string digest;                  // Sha256(text), raw bytes
};

// kInvalidArgument: duplicate or empty name, a dtype that cannot be reduced, caps that are not
// positive, no trainable parameter.
Result<Plan> MakePlan(const std::vector<ParameterInfo>& parameters, const OpsSettings& settings);

}  // namespace stemma::ops
