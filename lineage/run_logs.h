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
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/log.h"
#include "lineage/names.h"
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

// Gives every whole frame of the segment at `path` to `visit`. `damage` is set to what hides
// entries, where nothing was in it: a torn tail does not, it never held one that counted. All
// faults go to `warnings`.
void ReadFrames(Storage& storage, const std::string& path, SegmentKind kind,
                const std::function<Status(const Frame&)>& visit, std::string* damage,
                std::vector<std::string>* warnings);

}  // namespace stemma::lineage::internal
