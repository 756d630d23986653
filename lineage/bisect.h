// Which state of a line was the first bad one: binary search, with an answer for states of which
// nobody can tell.
//
//   STEMMA_ASSIGN_OR_RETURN(const std::vector<StateId> line, LineBetween(graph, good, bad));
//   STEMMA_ASSIGN_OR_RETURN(const Bisected found, Bisect(line, [&](const StateId& id) { ... }));
//   if (found.candidates.size() == 1) found.candidates[0];         // the first bad state
//
// The search believes that the line is good up to some state and bad from there on; where it is
// not, it finds one place of several at which good turns into bad. Its ends are never probed. A
// state that is skipped is passed over for the nearest one to it that is not; if only skipped
// states are left between the last good and the first bad one, the first bad one may be any of
// them.
//
// Pure but for the probe, which the calling thread runs, at most once a state. Failure: the
// probe's.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"

namespace stemma::lineage {

enum class Verdict { kGood, kBad, kSkip };
using Probe = std::function<Result<Verdict>(const StateId&)>;

struct Bisected {
  StateId last_good;                // nearest to the first bad one
  std::vector<StateId> candidates;  // for the first bad state, oldest first; one, or more by skips
  size_t probes = 0;
};

// `line` from the oldest, which is good, to the newest, which is bad. REQUIRES: two states or more.
Result<Bisected> Bisect(const std::vector<StateId>& line, const Probe& probe);

// How many probes a search over `states` states takes without skips, at most.
size_t ProbesAtMost(size_t states);

// From `good` to `bad`, along first parents. kInvalidArgument when they are the same, or `bad` does
// not come from `good` that way; says so when it is the other way round.
Result<std::vector<StateId>> LineBetween(const Graph& graph, const StateId& good,
                                         const StateId& bad);

}  // namespace stemma::lineage
