#include "tools/sweep/rungs.h"

#include <algorithm>
#include <cmath>

namespace stemma::sweep {
namespace {

// Quotients and powers of whole numbers are exact up to here; what is nearer to a whole number than
// this is meant to be one.
constexpr double kSlack = 1e-9;

double PowerOf(double eta, int64_t exponent) {
  double power = 1;
  for (int64_t i = 0; i < exponent; ++i) power *= eta;
  return power;
}

}  // namespace

int64_t MostHalvings(int64_t budget, int64_t min_steps, double eta) {
  int64_t halvings = 0;
  const double most = static_cast<double>(budget) / static_cast<double>(min_steps);
  for (double power = eta; power <= most * (1 + kSlack); power *= eta) ++halvings;
  return halvings;
}

std::vector<Rung> Halvings(int64_t trials, int64_t budget, double eta, int64_t halvings) {
  std::vector<Rung> rungs;
  for (int64_t i = 0; i <= halvings; ++i) {
    const double left = static_cast<double>(trials) / PowerOf(eta, i);
    const double steps = static_cast<double>(budget) / PowerOf(eta, halvings - i);
    Rung rung;
    rung.trials = std::max<int64_t>(1, static_cast<int64_t>(std::floor(left + kSlack)));
    rung.steps = std::max<int64_t>(1, static_cast<int64_t>(std::floor(steps + 0.5)));
    // With an eta near 1 two rungs may round to one step: the later count is that of the step.
    if (!rungs.empty() && rungs.back().steps == rung.steps) rungs.pop_back();
    rungs.push_back(rung);
  }
  return rungs;
}

std::vector<Rung> Bracket(int64_t budget, double eta, int64_t s_max, int64_t s) {
  const double trials =
      static_cast<double>(s_max + 1) / static_cast<double>(s + 1) * PowerOf(eta, s);
  return Halvings(static_cast<int64_t>(std::ceil(trials - kSlack)), budget, eta, s);
}

}  // namespace stemma::sweep
