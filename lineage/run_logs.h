// The first half of loading: what the logs of every run say, read and decoded by a few threads and
// handed over in the order of the runs' names. What the logs say about each other (edges, states
// that were withdrawn) is store_load.cc's. Not for users.
//
//   for (RunLogs& logs : ReadAllRuns(storage, paths, names)) ...
//
// Runs know nothing of each other, so they are read side by side: on a local disk that is worth a
// core, on a network file system it hides the answer times of thousands of small reads. The result
// does not depend on the number of threads.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/log.h"
#include "lineage/names.h"
#include "lineage/record_codec.h"
#include "lineage/store.h"

namespace stemma::lineage::internal {

struct RunLogs {
  Status status;               // not OK: nothing of the run could be read
  RunEntry run;                // without states
  std::vector<Record> states;  // in the order of the logs; one may be there twice
  std::vector<StateId> withdrawn;
  std::vector<std::string> warnings;
};

// One for each of `names`, in their order.
std::vector<RunLogs> ReadAllRuns(Storage& storage, const Paths& paths,
                                 const std::vector<std::string>& names);

// Where a crash may have torn a log. A fork's is written in pieces of several frames, of which any
// page may be lost and a later one kept; but no name leads to its run before all of it is durable.
enum class Torn { kAtItsEnd, kAnywhere };

// Gives every whole frame of the segment at `path` to `visit`. `damage` is set to what hides
// entries, where nothing was in it: a torn tail does not, it never held one that counted. All
// faults go to `warnings`.
void ReadFrames(Storage& storage, const std::string& path, SegmentKind kind,
                const std::function<Status(const FrameView&)>& visit, std::string* damage,
                std::vector<std::string>* warnings, Torn torn = Torn::kAtItsEnd);
// The same for a file that was read already. False: something follows the last
// whole frame, so that another reading may find more although the file has not grown.
bool VisitFrames(std::string_view bytes, const std::string& path, SegmentKind kind,
                 const std::function<Status(const FrameView&)>& visit, std::string* damage,
                 std::vector<std::string>* warnings, Torn torn = Torn::kAtItsEnd);

// Notes by state and key; of several the one with the greatest (clock, writer).
std::map<StateId, std::map<std::string, AttributeValue>> MergedNotes(std::vector<NoteEntry> notes);

// What is wrong with a state in the log of this run and incarnation; OK where it belongs there.
Status CheckPlace(std::string_view id, std::string_view of_run, uint32_t of_incarnation,
                  std::string_view run, uint32_t incarnation);

}  // namespace stemma::lineage::internal
