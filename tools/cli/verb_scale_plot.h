// `stemma scale plot`: Figs 1 to 5 of the published work with the simulator's curves and our own
// runs. The picture itself is tools/report/published_figures.h.
#pragma once

#include "core/status.h"
#include "tools/cli/verb.h"

namespace stemma::cli {

Result<int> RunScalePlot(const Arguments& arguments);

}  // namespace stemma::cli
