// Parallel efficiency as computing centres ask for it, of measured or published runs of one job on
// several numbers of ranks. The smallest number is the base and is always named: no run on one rank
// is ever made up.
//
//   std::vector<Efficiency> e = EfficienciesOf({{2, 1582.04, 74211.11}, {64, 33080.03, 4071.31}});
//   e[1].throughput, e[1].time             0.653, 0.570: two figures, always both
//   LargestAbove(e, 0.75, &Efficiency::time)
//
//   throughput   (R_N / p_N) / (R_b / p_b)
//   time         p_b T_b / (p_N T_N), for the same work: validation and captures included
//
// Pure functions. Runs come in any order; the result is sorted by ranks.
#pragma once

#include <vector>

namespace stemma::scale {

struct MeasuredRun {
  int ranks = 0;
  double samples_per_s = 0, train_s = 0;
};

struct Efficiency {
  int ranks = 0;
  double throughput = 0, time = 0;  // shares: 1 is ideal
};

std::vector<Efficiency> EfficienciesOf(std::vector<MeasuredRun> runs);

// The most ranks up to which no run falls below `share`; 0 for no runs.
int LargestAbove(const std::vector<Efficiency>& all, double share, double Efficiency::*of);

}  // namespace stemma::scale
