// Retention policies: which states a rule wants to keep. Composed by union; whatever no rule keeps
// is proposed for pruning. They work along parent edges, so neither the order of names nor a larger
// step number on an abandoned branch ever decides.
//
//   STEMMA_ASSIGN_OR_RETURN(const Policy policy, ParsePolicy("last 3, every 1000, best loss 2"));
//   for (const auto& [id, rule] : KeptBy(graph, policy)) ...
//
//   last K            the newest K states of every run, head first
//   every N           along a run, the first state at or after each multiple of N steps
//   best METRIC K     of every run, the K states with the lowest value
//   best max METRIC K the K states with the highest
//   heads             the head of every run
//   forkpoints        what a run that is not wholly pruned was forked from
//   thin              1, 2, 4, 8, ... states apart, the further back the wider
//
// The 2 newest sound states of every run are kept whatever the rules say: the last one may turn out
// to be damaged. Suspect, quarantined and pruned states never count as one of the kept. Pure; any
// thread. Failure: kInvalidArgument that names the rule and what was expected.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"

namespace stemma::lineage {

constexpr size_t kNewestKept = 2;

enum class RuleKind { kLast, kEvery, kBest, kHeads, kForkPoints, kThin };  // not on disk

struct Rule {
  RuleKind kind = RuleKind::kLast;
  int64_t count = 0;   // last, every, best
  std::string metric;  // best
  bool highest = false;
  std::string text;  // as it was given
};

using Policy = std::vector<Rule>;

Result<Policy> ParsePolicy(std::string_view text);
std::string TextOf(const Policy& policy);  // "last 3, every 1000"

// Each kept state with the first rule that keeps it.
std::map<StateId, std::string> KeptBy(const Graph& graph, const Policy& policy);

}  // namespace stemma::lineage
