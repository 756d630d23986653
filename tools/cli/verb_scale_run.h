// `stemma scale run`: a real scaling series on this machine or in a Slurm allocation, and the job
// that hands it in. verb_scale.cc calls it; tools/scale/series does the work.
#pragma once

#include "tools/cli/verb.h"

namespace stemma::cli {

// 0 when every point is done, 1 when a child failed.
Result<int> RunScaleSeries(const Arguments& arguments);

}  // namespace stemma::cli
