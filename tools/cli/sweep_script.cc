// One trial of a sweep as a script that trains it alone.
#include "core/text.h"
#include "tools/cli/new_run.h"
#include "tools/cli/shell.h"
#include "tools/cli/sweep_lines.h"
#include "tools/sweep/segment.h"

namespace stemma::cli {
namespace {

std::string SetFlags(const std::vector<std::string>& sets) {
  std::string text;
  for (const std::string& assignment : sets) text += " --set " + Quoted(assignment);
  return text;
}

}  // namespace

// Cut only where the trial's own settings change: nothing here knows of the other trials.
Result<std::string> ScheduleScript(const SweepView& view, sweep::TrialId id,
                                   const std::string& store) {
  const auto& trials = view.sweep.journal.history.trials();
  const auto found = trials.find(id);
  if (found == trials.end()) {
    return Status(Code::kNotFound, "sweep '" + view.sweep.spec.name + "' has no trial " +
                                       std::to_string(id) + "; it has " +
                                       std::to_string(trials.size()) + ", counted from 0");
  }
  const sweep::Base& base = view.sweep.base;
  // The best trial's best state, where it diverged after it.
  const bool best = view.winner && view.winner->trial == id;
  const int64_t until = best ? view.winner->step : found->second.until;
  STEMMA_ASSIGN_OR_RETURN(
      const sweep::Timeline line,
      sweep::Timeline::Make(base, view.sweep.journal.history.PartsAt(id, until)));
  std::vector<int64_t> ends = line.Breaks(base.begin, until);
  ends.push_back(until);
  const std::string name = view.sweep.spec.name + "-alone" + std::to_string(id);
  const auto ranks = static_cast<uint32_t>(view.sweep.spec.ranks_per_trial);
  std::string text = "# trial " + std::to_string(id) + " of sweep " + view.sweep.spec.name +
                     ", alone, steps " + std::to_string(base.begin) + " to " +
                     std::to_string(until) + "\n";
  std::string parent = base.is_state ? base.root : "";
  int64_t begin = base.begin;
  for (size_t i = 0; i < ends.size(); ++i) {
    sweep::Stage stage;
    stage.parent = i == 0 ? sweep::kBase : 0;
    stage.segment = line.Cut(begin, ends[i]);
    const std::vector<std::string> sets = stage.Sets(base);
    const std::string run = ends.size() == 1 ? name : name + "-" + std::to_string(i);
    std::string recipe;
    if (parent.empty()) {
      STEMMA_ASSIGN_OR_RETURN(const std::string toml, sweep::RecipeOf(base, sets));
      recipe = run + ".toml";
      text += "cat > " + recipe + " <<'END'\n" + toml + "END\n";
    } else {
      text += "stemma fork " + Quoted(parent) + " --name " + run + " --store " + Quoted(store) +
              SetFlags(sets) + "\n";
    }
    text += (ranks == 1 ? "" : "mpirun --bind-to none -n " + std::to_string(ranks) + " ") +
            "stemma train " + (recipe.empty() ? "" : recipe + " ") + "--run " + run + " --store " +
            Quoted(store) + "\n";
    parent = run + "@" + std::to_string(ends[i]);
    begin = ends[i];
  }
  return text;
}

}  // namespace stemma::cli
