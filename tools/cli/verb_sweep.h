// The parts of `stemma sweep`, each with flags of its own; verb_sweep.cc chooses among them.
#pragma once

#include <string>

#include "core/status.h"
#include "tools/cli/verb.h"

namespace stemma::cli {

// `what`: "run", or the method that the spec must name.
Result<int> RunSweepRun(const std::string& what, const Arguments& arguments);
Result<int> RunSweepStatus(const Arguments& arguments);
Result<int> RunSweepReport(const Arguments& arguments);
Result<int> RunSweepShow(const Arguments& arguments);

}  // namespace stemma::cli
