// [ops]: how gradients are packed into collective calls. Plain data, no LibTorch; see
// models/train/settings.h for how the sections become one list. All of it must be equal on all
// ranks: it is part of the plan, whose digest the ranks compare.
#pragma once

#include <string>

#include "comm/settings.h"

namespace stemma::ops {

// [comm], for the layers that may not include comm/.
using comm::CommSettings;

struct OpsSettings {
  double bucket_mb = 4;           // cap of a bucket, MiB; larger: fewer calls, less overlap
  double first_mb = 1;            // cap of the first bucket: communication starts early
  double last_mb = 1;             // cap of the last one: what backward cannot hide is short
  std::string unused = "zero";    // zero | error: what a parameter without gradient means
  std::string compress = "none";  // none | bf16 | fp16: ops/compress.h
  std::string shard = "none";     // none | optimizer: ranks divide the optimizer's state: shard.h
};

}  // namespace stemma::ops
