// A sweep as the struct that tools/report/sweep_page.h draws.
//
//   const std::string html = report::SweepPage(PageOf(view));
//
// A stage that several trials share counts for the first of them, so the rank-seconds of the trials
// add up to what was spent. Pure function; any thread.
#pragma once

#include "tools/cli/sweep_lines.h"
#include "tools/report/sweep_page.h"

namespace stemma::cli {

report::SweepReport PageOf(const SweepView& view);

}  // namespace stemma::cli
