// Many runs that write into one store at the same moment: each is a thread of one of several
// processes, begins a run of its own and captures small states by the way that a training takes,
// over the real file system. Every state that was acknowledged is noted outside of the store.
// Afterwards the store is opened anew, and what it holds is compared with what was promised.
//
//   STEMMA_ASSIGN_OR_RETURN(const ManyWritersReport report, WriteAtOnce(path, {20, 50, 3}));
//   report.faults.empty() && report.states == 20 * 50 * 3
//
// No run appends before the last one has begun, and none ends before all have appended: they are
// all open at once. Call it from a process with one thread: it forks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::bench {

struct ManyWriters {
  int processes = 20, runs_each = 50;
  int states = 3;  // captures of each run
};

struct ManyWritersReport {
  // One line for each thing that is not as it must be: a writer that failed, a state that was
  // acknowledged and is not there or has other bytes, whatever fsck finds.
  std::vector<std::string> faults;
  uint64_t states = 0;  // acknowledged
  double write_s = 0;   // from the first claim to the last acknowledgement
  double load_s = 0;    // of the fresh graph
};

// `path` holds no store yet. kIo when processes or memory cannot be had.
Result<ManyWritersReport> WriteAtOnce(const std::string& path, const ManyWriters& writers);

}  // namespace stemma::bench
