#include "tools/sweep/accounting.h"

#include <algorithm>

namespace stemma::sweep {

Accounting Account(const StageTree& tree, const std::map<StageId, StageCost>& costs,
                   const std::set<TrialId>& stopped) {
  Accounting sum;
  for (const auto& [id, cost] : costs) {
    const Stage& stage = tree.stages()[static_cast<size_t>(id)];
    const double references = std::max<double>(1, tree.RefCount(id));
    const double overhead = cost.restore + cost.capture + cost.again;
    sum.naive += references * cost.train;
    sum.saved += (references - 1) * cost.train;
    sum.overhead += overhead;
    sum.spent += cost.train + overhead;
    const bool lost = std::all_of(stage.users.begin(), stage.users.end(),
                                  [&](TrialId trial) { return stopped.count(trial) > 0; });
    if (lost) sum.pruned += cost.train + overhead;
  }
  return sum;
}

Accounting Expected(const StageTree& tree, int64_t ranks) {
  std::map<StageId, StageCost> costs;
  for (const Stage& stage : tree.stages()) {
    costs[stage.id].train = static_cast<double>(stage.steps() * ranks);
  }
  return Account(tree, costs, {});
}

}  // namespace stemma::sweep
