// What `stemma data pack` says of the shards it made, in manifest.json beside them: which there
// are, and what the classes are called. Shards of others have none.
//
//   {"format": "stemma-shards 1", "samples": 50000, "classes": ["n01440764", ...],
//    "shards": [{"name": "shard-000000.tar", "samples": 2613, "bytes": 268440576,
//                "xxh128": "9f3c..."}, ...]}
//
// Plain value, pure functions. Failure: kCorruption with what is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace stemma::models {

constexpr char kManifestName[] = "manifest.json";

struct ShardFacts {
  std::string name;
  int64_t samples = 0;
  uint64_t bytes = 0;
  std::string digest;  // XXH3-128, raw
};

struct Manifest {
  std::vector<std::string> classes;
  std::vector<ShardFacts> shards;

  int64_t samples() const {
    int64_t sum = 0;
    for (const ShardFacts& shard : shards) sum += shard.samples;
    return sum;
  }
};

std::string EncodeManifest(const Manifest& manifest);
Result<Manifest> DecodeManifest(std::string_view text);

}  // namespace stemma::models
