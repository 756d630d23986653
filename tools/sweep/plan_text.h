// A plan as people and shells read it: the tree of stages with what sharing saves, and the command
// lines that train it.
//
//   STEMMA_ASSIGN_OR_RETURN(const Forecast forecast, ForecastOf(spec, base, *method));
//   Print(PlanText(spec, base, forecast, {/*utf8=*/true, /*stages_max=*/40}));
//   for (const std::string& line : PlanCommands(spec, base, forecast.first, "stemma-store")) ...
//
// Pure functions; any thread. Failure: as Method and StageTree.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/status.h"
#include "tools/sweep/plan.h"

namespace stemma::sweep {

// A sweep before it runs. Which trials win is not known: here the earlier trial is the better one,
// and no trial diverges. Counts of stages and steps depend on that only where trials that share a
// prefix go on or stop.
struct Forecast {
  History history;
  StageTree first;  // of the first proposal: these stages are certain
  StageTree whole;
};
Result<Forecast> ForecastOf(const SweepSpec& spec, const Base& base, const Method& method);

struct PlanStyle {
  bool utf8 = false;
  size_t stages_max = 40;  // lines of the tree; 0: all
};
std::string PlanText(const SweepSpec& spec, const Base& base, const Forecast& forecast,
                     const PlanStyle& style);

// Lines of a shell script: one stage after the other, a parent before its children.
std::vector<std::string> PlanCommands(const SweepSpec& spec, const Base& base,
                                      const StageTree& tree, const std::string& store);

}  // namespace stemma::sweep
