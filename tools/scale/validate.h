// Every published point beside what the simulator says, whether it was fitted or not, good or bad.
//
//   STEMMA_ASSIGN_OR_RETURN(Validation v, Validate({1, 400, 2}));
//   for (const Row& row : v.rows) ...        // published, predicted, interval, error
//   for (const Target& target : v.targets) ...
//
// A set is fitted on half of its points at most, chosen by a rule that does not look at the
// outcome: every second one, beginning with the first; its mirror, beginning with the second,
// stands below it. Sets without a target show what the model cannot do: extrapolating from small
// runs alone, and machines of which only one point is known. Nothing is ever fitted to a held-out
// point.
//
// Source: SCALING 8.4 for the sets. Deterministic from the seed. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "tools/scale/fit.h"
#include "tools/scale/simulate.h"

namespace stemma::scale {

struct Row {
  std::string set, quantity, unit;
  int ranks = 0;
  double published = 0, predicted = 0, low = 0, high = 0;  // low, high: 10 and 90 %
  bool fitted = false;
  double plain_error = 0;  // percent, of latency and bandwidth alone; NaN where it is not computed
  std::string note;
  double Error() const;  // percent of the published value; points where the unit is "%"
};

struct Target {
  std::string what;
  double worst = 0, limit = 0;
  std::string unit;  // "%" or "points"
  bool met() const { return worst <= limit; }
};

struct FittedSet {
  std::string set;
  ResNetFit fit;
};

struct Validation {
  std::vector<Row> rows;
  std::vector<FittedSet> fits;
  std::vector<Target> targets;
  std::vector<std::string> missing;  // data without which a target cannot be decided
};

Result<Validation> Validate(const Sampling& sampling);

// The worst held-out error of a set; 0 when it has none.
double WorstHeldOut(const std::vector<Row>& rows, const std::string& set);

}  // namespace stemma::scale
