// The index beside a shard: where each field of each sample lies, so that a sample is one read and
// any order costs the same. A shard is a tar archive in WebDataset's layout: the files of one
// sample are neighbours and share their name up to the first dot after the last slash, the key;
// what comes behind that dot is the field ("n01440764_10026.jpg" and "n01440764_10026.cls").
//
//   STEMMA_ASSIGN_OR_RETURN(ShardIndex index, BuildIndex(disk, "/data/train-000000.tar"));
//   ... write EncodeIndex(index) to IndexPathOf("/data/train-000000.tar")
//
// The file is text, to be read by people and tools as well:
//
//   stemma-index 1
//   shard 268440576 9f3c...            bytes and XXH3-128 of the shard
//   fields jpg cls
//   samples 2613
//   512 102331 103936 3 n01440764_10026     offset and size of each field, "- -": none; the key
//   ...
//   end 41ab...                        XXH3-128 of all lines above
//
// Plain value, pure functions but for BuildIndex. Failure: kCorruption names the file and the line,
// or the shard and the byte; what the disk says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "core/status.h"
#include "lineage/storage.h"

namespace stemma::models {

struct FieldPlace {
  uint64_t offset = 0, size = 0;  // offset 0: the sample has no such field (a header comes first)
};

struct ShardIndex {
  uint64_t bytes = 0;
  std::string digest;  // XXH3-128, raw
  std::vector<std::string> fields;
  std::vector<FieldPlace> places;  // sample by sample, field by field
  std::string keys;                // one after the other ...
  std::vector<uint64_t> key_ends;  // ... and where each ends

  int64_t samples() const { return static_cast<int64_t>(key_ends.size()); }
  // REQUIRES: 0 <= sample < samples(), field < fields.size()
  std::string_view key(int64_t sample) const;
  const FieldPlace& place(int64_t sample, size_t field) const {
    return places[static_cast<size_t>(sample) * fields.size() + field];
  }
};

// Parts of a member's name. The field is empty when there is no dot.
struct SampleName {
  std::string_view key, field;
};
SampleName SplitName(std::string_view name);

// "/d/a.tar" -> "/d/a.idx"; behind another name it is put: "/d.tar/a" -> "/d.tar/a.idx"
std::string IndexPathOf(const std::string& shard);

// Reads all of a shard. Also kCorruption: a file without a key or a field, a field twice in a
// sample, a key that comes again after another one.
Result<ShardIndex> BuildIndex(lineage::Storage& disk, const std::string& shard);

std::string EncodeIndex(const ShardIndex& index);
// `path` is for messages. Every place lies inside the shard's size.
Result<ShardIndex> DecodeIndex(std::string_view text, const std::string& path);

// Collects the samples of a shard as its files come, in order.
class IndexBuilder {
 public:
  // kCorruption without a place: see BuildIndex.
  Status Add(const std::string& name, uint64_t offset, uint64_t size);
  ShardIndex Finish(uint64_t bytes, std::string digest);

 private:
  struct Sample {
    std::string key;
    std::vector<FieldPlace> places;  // by field; shorter where later fields are missing
  };
  std::vector<std::string> fields_;
  std::vector<Sample> samples_;
  std::unordered_set<std::string> keys_;
};

}  // namespace stemma::models
