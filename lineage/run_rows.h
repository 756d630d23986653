// What the logs of one run say, as flat lists instead of records with maps: the first half of
// building an index, done for several runs at once. Not for users.
//
//   std::vector<RunRows> runs = ReadRows(&copies, &files);
//   for (const StateRow& state : runs[0].states) ...
//
// All views lie in the files' bytes, which `copies` keeps. Rules are those of Store::Load(): a
// record that does not fit its place or its id is a warning and is left out, entry by entry.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lineage/file_copies.h"
#include "lineage/index.h"
#include "lineage/record_codec.h"
#include "lineage/store_files.h"

namespace stemma::lineage::internal {

// [begin, end) of a list of its run.
struct Span32 {
  uint32_t begin = 0, end = 0;
};

struct StateRow {
  std::string_view id, audit, run_name;
  SettingsView settings;
  uint32_t incarnation = 0, world = 1;
  uint64_t capture = 0, samples = 0, logical_bytes = 0;
  int64_t step = 0, wall_ms = 0;
  double epoch = 0;
  Reason reason = Reason::kPeriodic;
  Span32 parents, packs, metrics, attributes;
};

// Keys of a run, numbered as they come, and (key, value) pairs of its states.
struct PairList {
  std::vector<std::string_view> keys;
  std::vector<uint32_t> key;
  std::vector<Value> value;  // a text's bits: its number in RunRows::texts
};

struct RunRows {
  const RunFiles* files = nullptr;
  std::vector<StateRow> states;  // in the order of the logs; one may be there twice
  std::vector<EdgeView> parents;
  std::vector<PackView> packs;
  PairList metrics, attributes;
  std::vector<std::string_view> texts;
  std::vector<StateId> withdrawn;
  std::vector<std::string> warnings;
};

// One for each of files->runs, in their order; lengths in `files` become those that were read. A
// run that cannot be read has a warning and nothing else.
std::vector<RunRows> ReadRows(FileCopies* copies, StoreFiles* files);

}  // namespace stemma::lineage::internal
