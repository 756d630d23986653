#include "tools/cli/sweep_html.h"

#include <map>
#include <utility>

namespace stemma::cli {
namespace {

std::string NameOf(sweep::TrialId id) { return "trial " + std::to_string(id); }

// The last exploit's source: whose state the trial went on from.
std::string ParentOf(const SweepView& view, sweep::TrialId id) {
  std::string parent;
  for (const auto& [point, decision] : view.sweep.journal.history.decisions()) {
    if (point.first != id || decision.kind != sweep::Decision::Kind::kExploit) continue;
    parent = NameOf(decision.from) + "@" + std::to_string(decision.step);
  }
  return parent;
}

std::map<sweep::TrialId, double> SpentOn(const SweepView& view) {
  std::map<sweep::TrialId, double> spent;
  for (const auto& [id, cost] : view.costs) {
    const sweep::Stage& stage = view.standing.tree.stages()[static_cast<size_t>(id)];
    if (stage.references.empty()) continue;
    spent[*stage.references.begin()] += cost.train + cost.restore + cost.capture + cost.again;
  }
  return spent;
}

}  // namespace

report::SweepReport PageOf(const SweepView& view) {
  const sweep::SweepSpec& spec = view.sweep.spec;
  report::SweepReport page;
  page.title = "Sweep " + spec.name + ": " + spec.method + ", " +
               std::to_string(view.sweep.journal.history.trials().size()) + " trials";
  page.metric = spec.metric;
  page.lower_is_better = spec.goal == "min";
  page.alone_rank_seconds = view.accounts.naive;
  page.facts = {{"method", spec.method},
                {"begins at", spec.recipe.empty() ? spec.state : spec.recipe},
                {"ranks per trial", std::to_string(spec.ranks_per_trial)},
                {"seed", std::to_string(spec.seed)}};
  const std::map<sweep::TrialId, double> spent = SpentOn(view);
  for (const TrialRow& row : TrialRows(view)) {
    report::SweepTrial trial;
    trial.name = NameOf(row.id);
    for (size_t i = 0; i < row.knobs.size(); ++i) {
      trial.knobs.emplace_back(spec.knobs[i].key, row.knobs[i]);
    }
    for (const auto& [point, outcome] : view.sweep.journal.history.outcomes()) {
      if (point.first != row.id) continue;
      trial.metric.push_back({static_cast<double>(outcome.step), outcome.metric});
    }
    trial.status = row.verdict;
    const auto own = spent.find(row.id);
    trial.rank_seconds = own == spent.end() ? 0 : own->second;
    trial.parent = ParentOf(view, row.id);
    page.trials.push_back(std::move(trial));
  }
  return page;
}

}  // namespace stemma::cli
