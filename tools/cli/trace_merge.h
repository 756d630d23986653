// Puts the traces of several ranks into one file for ui.perfetto.dev. Their times are on one clock
// already (comm/trace.h), so this is a concatenation, and no event is looked into further than
// whether it is whole: the last one of a killed rank may be torn.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::cli {

struct TraceMerge {
  std::string json;  // one array
  int64_t events = 0;
  int64_t dropped = 0;  // lines that are no JSON
};

// The traces of the newest incarnation of a run folder that has any, by rank. kNotFound says how to
// make some.
Result<std::vector<std::string>> FindTraces(const std::string& run_folder);

// kIo with the path of the file that cannot be read.
Result<TraceMerge> MergeTraces(const std::vector<std::string>& paths);

}  // namespace stemma::cli
