// Rungs of successive halving: how many trials reach which step. Hyperband's brackets
// (arXiv:1603.06560) trade many short trials against few long ones.
//
//   Bracket(81, 3, 4)   81@1  27@3  9@9  3@27  1@81          R = 81, eta = 3, s = 4
//   Bracket(81, 3, 3)   34@3  11@9  3@27  1@81
//
// n = ceil((s_max + 1) / (s + 1) eta^s) trials begin at r = R eta^-s, and floor(n eta^-i) of them
// reach r eta^i. The quotient is not rounded before it is multiplied. Pure functions.
#pragma once

#include <cstdint>
#include <vector>

namespace stemma::sweep {

struct Rung {
  int64_t trials = 0;
  int64_t steps = 0;  // from the trial's begin
};

// floor(log_eta(budget / min_steps)): one less than the most rungs. REQUIRES: eta > 1 and
// 1 <= min_steps <= budget.
int64_t MostHalvings(int64_t budget, int64_t min_steps, double eta);

// Rungs for `trials` that begin together: at least one trial each, the last at `budget` steps.
std::vector<Rung> Halvings(int64_t trials, int64_t budget, double eta, int64_t halvings);

// Bracket s of Hyperband, where s_max = MostHalvings(...).
std::vector<Rung> Bracket(int64_t budget, double eta, int64_t s_max, int64_t s);

}  // namespace stemma::sweep
