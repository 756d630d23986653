// Proves a store whole, or says what is not, by state, pack, tensor and byte range. It reads and
// never changes anything, so it may run beside any number of writers; what they are in the middle
// of shows up as remarks.
//
//   STEMMA_ASSIGN_OR_RETURN(const FsckReport report, Fsck(*store, {true}));
//   for (const std::string& text : report.errors) ...       // exit code 1
//   Fsck(*store, {true, 2, 7});                              // the second of seven nights
//
// Errors are what should never be: wrong digests, missing objects, broken references. Remarks are
// what crashes and people leave behind and what does no harm: torn tails, side branches, orphans,
// claims without content, intents without a state, temporary files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"
#include "lineage/verify.h"

namespace stemma::lineage {

struct FsckOptions {
  bool read_data = false;  // every chunk of every pack against its digest
  // Of the packs only one part of so many equal ones, by their ids: who reads part 1, 2, ...
  // `parts` in turn has read all of them, whatever was added in between. REQUIRES: 1 <= part <=
  // parts
  uint32_t part = 1, parts = 1;
};

struct FsckReport {
  std::vector<std::string> errors, remarks;
  std::vector<Damage> damaged;  // those of the errors that are bytes of states
  std::vector<StateId> read;    // with read_data: every byte of them was looked at
  uint64_t runs = 0, states = 0, packs = 0, frames = 0;
  uint64_t packs_read = 0, bytes_read = 0;  // of packs, with read_data
  uint64_t bytes = 0;                       // of packs, each once
  uint64_t orphans = 0, orphan_bytes = 0;
  bool clean() const { return errors.empty(); }
};

// Fails only when the store cannot be listed at all.
Result<FsckReport> Fsck(const Store& store, const FsckOptions& options);

}  // namespace stemma::lineage
