// What a restore has to read: a state opened and held against what a program wants, and how that is
// dealt out to ranks and threads. Not for users; lineage/restore.h is the interface.
//
//   STEMMA_ASSIGN_OR_RETURN(const RestorePlan plan,
//                           PlanRestore(state, record, spans, rank, ranks, mode));
//   const RestoreTasks mine = DealOut(plan, {rank, readers, threads});
//   for (const RestoreTask& task : mine.tasks) ...                  // in the order of `spans`
//
// A plan is plain data; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/open_state.h"
#include "lineage/pack.h"
#include "lineage/restore.h"

namespace stemma::lineage::internal {

// Elements of one span in one pack.
struct RestorePart {
  size_t wanted = 0;  // index into what the program wants
  size_t pack = 0;    // index into the record's packs
  uint32_t span = 0, rank = 0;
  uint64_t first = 0, count = 0;
  uint64_t element_bytes = 1;
  Plane plane = Plane::kWhole;  // what is read of it
  uint64_t place = 0;           // of its first element in the pack's data; of the high plane's
  uint64_t stored_bytes = 1;    // of an element there
  bool eager = false, late = false;
  bool shared = true;          // all ranks want the same of it
  size_t listed = ~size_t{0};  // where it stands in RestoreTasks::shared, when it does
};

struct RestorePlan {
  // Eager ones first, late ones last; what is shared first in each; then by `wanted`, then as they
  // lie. What is shared is the same on all ranks.
  std::vector<RestorePart> parts;
};
Result<RestorePlan> PlanRestore(const OpenState& state, const Record& record,
                                const std::vector<Span>& spans, int rank, int ranks,
                                RestoreMode mode);

// Parts [first, last) of RestoreTasks::parts, which one thread reads: neighbours, so that they
// share chunks.
struct RestoreTask {
  size_t first = 0, last = 0;
};

struct RestoreTasks {
  std::vector<RestorePart> parts;  // those that this rank reads
  std::vector<RestoreTask> tasks;
  std::vector<SharedPart> shared;
};

struct Readers {
  int rank = 0, ranks = 1;  // ranks > 1: each reads its part of what is shared
  size_t threads = 1;       // of each rank
};

// Cuts the plan into tasks, all ranks alike, and takes this rank's. Eager, early and late parts are
// dealt out one after the other, each by factoring: half of what is left goes out in a round of one
// task for each thread, then half of the rest, and so on. So threads that were held up, each by
// something else, finish each of the three at nearly the same moment, and what is late takes little
// of the disk before that. A rank's tasks of a round lie side by side. Where a part is cut, the
// next task begins with a chunk of its own, of the upper plane where there are two; the chunk of
// the lower one is in the cache of the rank's threads when the second of them wants it. The lower
// halves of what is read by its upper ones come last.
constexpr uint64_t kTaskChunks = 4;  // of data, at most, but for the one that a cut goes up to
RestoreTasks DealOut(const RestorePlan& plan, const Readers& readers);

// Reads a part, of planes the whole or the upper one, and hands it to `sink` in pieces of about
// 1 MiB. A collector may have moved the pack to its trash since it was opened, until it sees who
// refers to it: then `store` brings it back.
Status ReadPart(const Store& store, const Record& record, PackReader& pack, const RestorePart& part,
                Sink& sink, std::string* buffer);
// The lower halves of a part, 2 bytes for each element.
Status ReadLowHalves(const Store& store, const Record& record, PackReader& pack,
                     const RestorePart& part, std::string* low);

}  // namespace stemma::lineage::internal
