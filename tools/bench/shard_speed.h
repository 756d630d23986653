// How fast samples of a shard are read in order, beside the bare file. For `stemma bench data`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::bench {

struct ShardSpeed {
  double raw = 0, samples = 0;  // bytes per second: pread in pieces of 4 MiB; sample by sample
  bool cold = false;            // the page cache forgot the file each time
};

// Writes a shard of about `bytes` made of `images` into a new folder in `dir`, reads it `passes`
// times each way in turns, and removes it. Thread: one. Failure: what the disk says.
Result<ShardSpeed> MeasureShard(const std::string& dir, uint64_t bytes,
                                const std::vector<std::string>& images, int64_t passes);

}  // namespace stemma::bench
