#include "tools/scale/efficiency.h"

#include <algorithm>

namespace stemma::scale {

std::vector<Efficiency> EfficienciesOf(std::vector<MeasuredRun> runs) {
  std::sort(runs.begin(), runs.end(),
            [](const MeasuredRun& a, const MeasuredRun& b) { return a.ranks < b.ranks; });
  std::vector<Efficiency> all;
  for (const MeasuredRun& run : runs) {
    const MeasuredRun& base = runs.front();
    all.push_back({run.ranks, run.samples_per_s / run.ranks / (base.samples_per_s / base.ranks),
                   base.ranks * base.train_s / (run.ranks * run.train_s)});
  }
  return all;
}

int LargestAbove(const std::vector<Efficiency>& all, double share, double Efficiency::*of) {
  int largest = 0;
  for (const Efficiency& one : all) {
    if (one.*of < share) break;
    largest = one.ranks;
  }
  return largest;
}

}  // namespace stemma::scale
