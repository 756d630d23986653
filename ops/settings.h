// [ops]: how gradients are packed into collective calls. Plain data, no LibTorch; see
// models/train/settings.h for how the sections become one list. What steers
// collective calls is part of the plan, whose digest the ranks compare.
#pragma once

#include <cstdint>
#include <string>

#include "comm/settings.h"

namespace stemma::ops {

// [comm], for the layers that may not include comm/.
using comm::CommSettings;
using comm::DiagnoseSettings;

struct OpsSettings {
  double bucket_mb = 4;  // cap of a bucket, MiB; larger: fewer calls, less overlap
  double first_mb = 1;   // cap of the first bucket: communication starts early
  double last_mb = 1;    // cap of the last one: what backward cannot hide is short
  // What a parameter without gradient means: zero counts it as zero; keep_none leaves its .grad
  // undefined after Wait when no rank used it, so that LibTorch's optimizers skip it (ours, which
  // update flat memory, refuse this value); error names it.
  std::string unused = "zero";
  std::string compress = "none";  // none | bf16 | fp16: ops/compress.h
  std::string shard = "none";     // none | optimizer: ranks divide the optimizer's state: shard.h
  // What the sum over ranks is divided by; see StepShape::divisor.
  std::string divisor = "samples";  // samples | counted | world | active
  // A .grad that was taken out of its bucket inside a step: error, or copy it back.
  std::string lost_alias = "error";
  // When a gradient of 64 KiB or more becomes zero in a step: arrival: right before its first
  // contribution (ops/late_zeros.h); begin: in BeginStep, for loops that write to .grad themselves
  // before or without backward.
  std::string zero_gradients = "arrival";
  // off | loss | bucket: whether a rank scans each bucket before it is reduced, so that it can be
  // named (Reducer::non_finite); `loss` is the trainer's look at the loss.
  std::string check_finite = "loss";
  int64_t digest_every = 0;  // trainer: steps between Reducer::CompareReplicas; 0: never
};

}  // namespace stemma::ops
