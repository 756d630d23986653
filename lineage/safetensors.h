// The header of a safetensors file, read as if an enemy had written it: bounded size and depth, no
// duplicate key, no key that is not known, shape times type equals length without overflow, and
// every byte of the data covered exactly once.
//
//   u64 length H | JSON, H bytes | data
//   {"__metadata__":{"k":"v"}, "name":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}, ...}
//
// Pure functions; any thread. Failure: kCorruption that names the entry.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "core/status.h"

namespace stemma::lineage {

constexpr uint64_t kSafetensorsHeaderMax = 100'000'000;  // the format's own limit

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::kU8;
  std::vector<uint64_t> shape;
  uint64_t begin = 0, end = 0;  // in the data
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<SafetensorsEntry> entries;  // by begin, then end, then name
};

// `json` without the length before it; `data_bytes` is what follows the header in the file.
Result<SafetensorsHeader> ParseSafetensors(std::string_view json, uint64_t data_bytes);

// "BF16", "F32", "I64", "BOOL", ...
std::string_view SafetensorsName(DType dtype);

// One entry as JSON, without a comma. REQUIRES: `name` needs no escaping.
std::string SafetensorsJson(const SafetensorsEntry& entry);

}  // namespace stemma::lineage
