// What sharing saved, in rank-seconds that were measured (SCALING: 10.4):
//
//   naive     sum over stages of references x cost
//   saved     sum over stages of (references - 1) x cost
//   overhead  restores at forks + captures made only for the sweep + stages run again
//   spent     sum over stages of cost + overhead
//   pruned    spent on trials that were stopped and on nothing else; reported, not counted as saved
//   factor    naive / spent
//
// K trials that share a fraction w of their length save w (K - 1) / K of the naive cost: K = 8 and
// w = 0.5 give 43.75 %, a factor of 1.78. Wall-clock time is another matter: merged stages can
// lengthen the critical path. Pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "tools/sweep/stage_tree.h"

namespace stemma::sweep {

struct StageCost {
  double train = 0;    // rank-seconds of its steps
  double restore = 0;  // of beginning it
  double capture = 0;  // of states that only the sweep wanted
  double again = 0;    // of attempts that failed
};

struct Accounting {
  double naive = 0, saved = 0, overhead = 0, spent = 0, pruned = 0;
  double SavedShare() const { return naive > 0 ? saved / naive : 0; }
  double Factor() const { return spent > 0 ? naive / spent : 1; }
};

// Stages without a cost have not run and count nothing. `stopped`: trials that a decision ended.
Accounting Account(const StageTree& tree, const std::map<StageId, StageCost>& costs,
                   const std::set<TrialId>& stopped);

// Before anything runs: one rank-second a step and rank, no overhead.
Accounting Expected(const StageTree& tree, int64_t ranks);

}  // namespace stemma::sweep
