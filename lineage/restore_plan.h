// What a restore has to read: a state opened and held against what a program wants. Not for users;
// lineage/restore.h is the interface.
//
//   STEMMA_ASSIGN_OR_RETURN(const RestorePlan plan, PlanRestore(store, record, spans, rank,
//   ranks)); for (const RestorePart& part : plan.parts) ...             // in the order of `spans`
//
// A plan is plain data; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/open_state.h"
#include "lineage/restore.h"

namespace stemma::lineage::internal {

// Elements of one span in one pack.
struct RestorePart {
  size_t wanted = 0;  // index into what the program wants
  size_t pack = 0;    // index into the record's packs
  uint32_t span = 0, rank = 0;
  uint64_t first = 0, count = 0;
  uint64_t element_bytes = 1;
  bool late = false;
  bool shared = true;  // all ranks want the same of it
};

struct RestorePlan {
  // Late ones last; in both halves what is shared first, then by `wanted`, then as they lie. What
  // is shared is the same on all ranks.
  std::vector<RestorePart> parts;
};
Result<RestorePlan> PlanRestore(const OpenState& state, const Record& record,
                                const std::vector<Span>& spans, int rank, int ranks);

// Reads a part and hands it to `sink` in pieces of about 1 MiB. A collector may have moved the pack
// to its trash since it was opened, until it sees who refers to it: then `store` brings it back.
Status ReadPart(const Store& store, const Record& record, PackReader& pack, const RestorePart& part,
                Sink& sink, std::string* buffer);

}  // namespace stemma::lineage::internal
