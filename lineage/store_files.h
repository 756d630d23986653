// Which log files a store has now, how each begins and how long it is: what a cache of the logs is
// held against. A segment has one writer, who only appends; so equal headers and lengths are equal
// contents, and no time stamp is asked, which network file systems keep for seconds. A name alone
// says less: a store that was brought back from a backup uses the numbers of its incarnations
// again. The exception is a file with bytes behind its last whole frame: those may be an append
// that is just arriving, so its bytes are looked at again.
//
//   STEMMA_ASSIGN_OR_RETURN(StoreFiles now, FindFiles(storage, paths, known));
//   if (SameFiles(now, then)) ...
//
// Cost per run: two listings, one size and one read of a few bytes. Not for users; plain data, one
// thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/names.h"
#include "lineage/storage.h"

namespace stemma::lineage::internal {

struct SegmentFile {
  std::string path;
  uint64_t bytes = 0;
  bool torn = false;  // something follows its last whole frame; known once it was read
  // A log's first bytes, which hold the ulid of the segment. Empty for notes: there it is the name.
  std::string header = {};
};

struct IncarnationFiles {
  uint32_t number = 0;
  std::vector<SegmentFile> segments;  // in the order of their numbers
  std::string fault;                  // why its folder could not be listed
};

struct RunFiles {
  std::string name, ulid;
  std::vector<IncarnationFiles> incarnations;  // ascending
  std::string fault;                           // why nothing of the run can be read
};

struct StoreFiles {
  std::vector<SegmentFile> notes;
  std::vector<RunFiles> runs;  // names ascending
};

// The ulids of runs that are known already: a name keeps its run for good.
using KnownRuns = std::map<std::string, std::string>;

// `meanwhile(i)` for every i below `more` is done beside it, on the same threads. Fails where
// Store::Load() fails: the folders of notes or names cannot be listed.
Result<StoreFiles> FindFiles(Storage& storage, const Paths& paths, const KnownRuns& known,
                             size_t more, const std::function<void(size_t)>& meanwhile);

// Faults are never the same: what could not be read is tried again.
bool SameFiles(const StoreFiles& a, const StoreFiles& b);

// Every segment of logs and notes.
void ForEachSegment(StoreFiles* files, const std::function<void(SegmentFile*)>& visit);

}  // namespace stemma::lineage::internal
