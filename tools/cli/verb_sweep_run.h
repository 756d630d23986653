// What `stemma sweep` does beside planning: the parts that act on a sweep, or look at one.
#pragma once

#include <string>

#include "core/status.h"
#include "tools/cli/verb.h"

namespace stemma::cli {

Result<int> RunSweepRun(const Arguments& arguments);
// The same, where the spec must say `method`.
Result<int> RunSweepMethod(const std::string& method, const Arguments& arguments);
Result<int> RunSweepStatus(const Arguments& arguments);
Result<int> RunSweepReport(const Arguments& arguments);
Result<int> RunSweepShow(const Arguments& arguments);

}  // namespace stemma::cli
