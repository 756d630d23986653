#pragma once
// Visits every state that the collector's model can reach, the nearest first.
//
// Breadth first, so the way to the first violation found is a shortest one. All states visited are
// kept, 40 bytes or so each.
//
// Example:  const Found found = Explore(Rules{}, Cast{});
//           found.broken.empty(), found.states == 1131
//
// Owner: whoever calls; a value. Thread: any. Failure: beyond `most_states` the search ends with
// Found::complete false, which a test must not take for a proof.

#include <cstddef>
#include <string>
#include <vector>

#include "tests/unit/lineage/collect_model.h"

namespace stemma::lineage::collect_model {

struct Found {
  size_t states = 0;
  size_t steps = 0;
  bool complete = false;           // every reachable state was visited
  std::string broken;              // the invariant, or empty
  std::vector<std::string> trace;  // the steps to it, one a line
};

Found Explore(const Rules& rules, const Cast& cast, bool only_i1 = false,
              size_t most_states = 40'000'000);

}  // namespace stemma::lineage::collect_model
