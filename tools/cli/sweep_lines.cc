#include "tools/cli/sweep_lines.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/bytes.h"
#include "core/text.h"
#include "lineage/graph.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/sweep/method.h"
#include "tools/sweep/seat.h"

namespace stemma::cli {
namespace {

using sweep::Decision;
using sweep::Stage;
using sweep::StageId;
using sweep::Trial;

std::string Number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::string Percent(double share) {
  char text[40];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * share);
  return text;
}

std::string KnobText(const Trial& trial, const std::string& key) {
  std::string text, last;
  for (const sweep::Part& part : trial.parts) {
    const auto found = part.knobs.find(key);
    const std::string value = found == part.knobs.end() ? "" : found->second;
    if (!text.empty() && value == last) continue;
    text += text.empty() ? value : "; " + std::to_string(part.begin) + ": " + value;
    last = value;
  }
  return text;
}

const Stage& StageAt(const SweepView& view, StageId id) {
  return view.standing.tree.stages()[static_cast<size_t>(id)];
}
const sweep::StageRun& RunAt(const SweepView& view, StageId id) {
  return view.standing.runs[static_cast<size_t>(id)];
}

const std::string* LostAt(const SweepView& view, StageId id) {
  const auto found = view.sweep.journal.lost.find(sweep::KeyOf(StageAt(view, id).key));
  return found == view.sweep.journal.lost.end() ? nullptr : &found->second;
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string VerdictOn(const SweepView& view, const Trial& trial) {
  const auto& history = view.sweep.journal.history;
  const bool best = view.winner && view.winner->trial == trial.id;
  for (const StageId id : view.standing.tree.Path(trial.id)) {
    if (const std::string* why = LostAt(view, id)) {
      return (best ? "best, then " : "") + FirstLine(*why);
    }
  }
  if (best) return "best";
  const auto& decisions = history.decisions();
  if (history.Stopped(trial.id)) {
    for (const auto& [point, decision] : decisions) {
      if (point.first == trial.id && decision.kind == Decision::Kind::kStop) {
        return "stopped at " + std::to_string(decision.step);
      }
    }
  }
  if (history.outcomes().count({trial.id, trial.until}) > 0) return "done";
  for (const StageId id : view.standing.tree.Path(trial.id)) {
    if (StageAt(view, id).done) continue;
    return RunAt(view, id).is_there ? "at step " + std::to_string(RunAt(view, id).reached)
                                    : "waits";
  }
  return "done";
}

// The best path: runs of the winner up to its best state, each with the steps that it trained.
std::string PathText(const SweepView& view) {
  std::string text;
  for (const StageId id : view.standing.tree.Path(view.winner->trial)) {
    const sweep::Segment& segment = StageAt(view, id).segment;
    if (segment.begin >= view.winner->step) break;
    text += "  " + RunAt(view, id).name + "  steps " + std::to_string(segment.begin) + " to " +
            std::to_string(segment.end) + ", for " +
            std::to_string(view.standing.tree.RefCount(id)) + " of the trials\n";
  }
  return text;
}

std::string AccountsText(const SweepView& view) {
  const sweep::Accounting& a = view.accounts;
  std::vector<std::vector<std::string>> rows = {
      {"alone", Number(a.naive), "rank-s", "what these trials would cost without sharing"},
      {"spent", Number(a.spent), "rank-s", "what they did cost"},
      {"saved", Number(a.saved), "rank-s", Percent(a.SavedShare()) + " of alone, by sharing"},
      {"overhead", Number(a.overhead), "rank-s", "starts at forks, work done again"},
      {"stopped", Number(a.pruned), "rank-s", "of spent, on trials that were stopped"},
      {"factor", Number(a.Factor()), "x", "alone / spent"}};
  std::string text;
  for (const std::string& line : Columns(rows)) text += "  " + line + "\n";
  return text;
}

std::string SawText(const Decision& decision) {
  std::string text;
  for (const auto& [trial, step] : decision.saw) {
    text += (text.empty() ? "" : " ") + std::to_string(trial) + "@" + std::to_string(step);
  }
  return text;
}

std::string DecisionsText(const SweepView& view) {
  std::vector<std::vector<std::string>> rows = {{"trial", "step", "decision", "until", "saw"}};
  for (const sweep::Event& event : view.sweep.journal.history.events()) {
    const auto* decision = std::get_if<Decision>(&event);
    if (decision == nullptr) continue;
    std::string what = DecisionName(decision->kind);
    if (decision->kind == Decision::Kind::kExploit) what += " " + std::to_string(decision->from);
    rows.push_back({std::to_string(decision->trial), std::to_string(decision->step), what,
                    std::to_string(decision->until), SawText(*decision)});
  }
  std::string text = "\ndecisions, in the order they were taken\n";
  for (const std::string& line : Columns(rows)) text += "  " + line + "\n";
  return text;
}

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\n") == text.npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string MetricText(const TrialRow& row) { return row.metric ? Number(*row.metric) : ""; }

}  // namespace

Result<SweepView> ViewOf(const OpenedStore& opened, const std::string& name) {
  STEMMA_ASSIGN_OR_RETURN(sweep::OpenedSweep swept,
                          sweep::RecordedSweep(*opened.store, opened.graph, name));
  const sweep::History& history = swept.journal.history;
  STEMMA_ASSIGN_OR_RETURN(sweep::Standing standing,
                          StandingOf(swept.spec, swept.base, history, opened.graph));
  std::map<StageId, sweep::StageCost> costs;
  for (const Stage& stage : standing.tree.stages()) {
    const auto cost = swept.journal.costs.find(sweep::KeyOf(stage.key));
    if (cost != swept.journal.costs.end()) costs[stage.id] = cost->second;
  }
  std::set<sweep::TrialId> stopped;
  for (const auto& [id, trial] : history.trials()) {
    if (history.Stopped(id)) stopped.insert(id);
  }
  const sweep::Accounting accounts = Account(standing.tree, costs, stopped);
  std::optional<sweep::Outcome> winner;
  const sweep::Outcome* best = Winner(swept.spec.goal, history);
  if (best != nullptr && !best->state.empty() && std::isfinite(best->metric)) winner = *best;
  STEMMA_ASSIGN_OR_RETURN(const auto sitter, sweep::WhoSits(*opened.store, opened.graph, name, {}));
  return SweepView{std::move(swept), std::move(standing), std::move(costs),
                   accounts,         std::move(winner),   sitter.value_or("")};
}

std::vector<TrialRow> TrialRows(const SweepView& view) {
  const sweep::History& history = view.sweep.journal.history;
  std::vector<std::pair<const sweep::Outcome*, TrialRow>> all;
  for (const auto& [id, trial] : history.trials()) {
    TrialRow row;
    row.id = id;
    for (const sweep::Knob& knob : view.sweep.spec.knobs) {
      row.knobs.push_back(KnobText(trial, knob.key));
    }
    const sweep::Outcome* newest = nullptr;
    for (const auto& [point, outcome] : history.outcomes()) {
      if (point.first == id) newest = &outcome;
    }
    if (view.winner && view.winner->trial == id) newest = &*view.winner;
    if (newest != nullptr) {
      row.step = newest->step;
      row.metric = newest->metric;
      for (const StageId stage : view.standing.tree.Path(id)) {
        const auto& end = RunAt(view, stage).end;
        if (!end || Hex(*end) != newest->state) continue;
        row.state = RunAt(view, stage).name + "@" + std::to_string(newest->step);
      }
    }
    row.verdict = VerdictOn(view, trial);
    all.emplace_back(newest, std::move(row));
  }
  const std::string& goal = view.sweep.spec.goal;
  std::stable_sort(all.begin(), all.end(), [&goal](const auto& a, const auto& b) {
    if (a.first == nullptr || b.first == nullptr) return a.first != nullptr && b.first == nullptr;
    const bool finite = std::isfinite(a.first->metric);
    if (finite != std::isfinite(b.first->metric)) return finite;
    if (a.first->step != b.first->step) return a.first->step > b.first->step;
    return sweep::Better(goal, *a.first, *b.first);
  });
  std::vector<TrialRow> rows;
  for (auto& [outcome, row] : all) rows.push_back(std::move(row));
  return rows;
}

std::string StatusText(const SweepView& view) {
  const sweep::History& history = view.sweep.journal.history;
  size_t done = 0, stopped = 0;
  for (const auto& [id, trial] : history.trials()) {
    if (history.Stopped(id)) {
      ++stopped;
    } else if (history.outcomes().count({id, trial.until}) > 0) {
      ++done;
    }
  }
  size_t finished = 0;
  std::string under_way;
  for (const Stage& stage : view.standing.tree.stages()) {
    const sweep::StageRun& run = RunAt(view, stage.id);
    if (stage.done) ++finished;
    if (stage.done || !run.is_there || LostAt(view, stage.id) != nullptr) continue;
    under_way += "  " + run.name + "  step " + std::to_string(run.reached) + " of " +
                 std::to_string(stage.segment.end) + "\n";
  }
  const std::string& end = view.sweep.journal.end;
  std::string text = "sweep " + view.sweep.spec.name + ", " + view.sweep.spec.method + ": " +
                     (end.empty() ? view.controller.empty() ? std::string("nobody is at work")
                                                            : "at work: " + view.controller
                                  : "over, best: " + end) +
                     "\n";
  text += "trials  " + std::to_string(history.trials().size()) + ": " + std::to_string(done) +
          " at their end, " + std::to_string(stopped) + " stopped, " +
          std::to_string(history.trials().size() - done - stopped) + " to go on\n";
  text += "stages  " + std::to_string(view.standing.tree.stages().size()) + ": " +
          std::to_string(finished) + " done, " + std::to_string(view.sweep.journal.lost.size()) +
          " lost\n";
  if (!under_way.empty()) text += "begun and not done\n" + under_way;
  if (end.empty() && view.controller.empty()) {
    text += "to go on: stemma sweep run " + view.sweep.begun.file + "\n";
  }
  return text;
}

std::string ReportText(const SweepView& view, bool decisions) {
  std::vector<std::vector<std::string>> rows = {{"trial"}};
  for (const sweep::Knob& knob : view.sweep.spec.knobs) rows[0].push_back(knob.key);
  for (const char* title : {"step", view.sweep.spec.metric.c_str(), "state", ""}) {
    rows[0].push_back(title);
  }
  for (const TrialRow& row : TrialRows(view)) {
    rows.push_back({std::to_string(row.id)});
    rows.back().insert(rows.back().end(), row.knobs.begin(), row.knobs.end());
    for (const std::string& cell :
         {row.metric ? std::to_string(row.step) : "", MetricText(row), row.state, row.verdict}) {
      rows.back().push_back(cell);
    }
  }
  std::string text;
  for (const std::string& line : Columns(rows)) text += line + "\n";
  if (view.winner)
    text += "\nbest path, of trial " + std::to_string(view.winner->trial) + "\n" + PathText(view);
  text += "\nrank-seconds, of " + std::to_string(view.costs.size()) + " stages that are done\n" +
          AccountsText(view);
  return decisions ? text + DecisionsText(view) : text;
}

std::string ReportCsv(const SweepView& view) {
  std::string text = "trial";
  for (const sweep::Knob& knob : view.sweep.spec.knobs) text += "," + CsvField(knob.key);
  text += ",step," + CsvField(view.sweep.spec.metric) + ",state,verdict\n";
  for (const TrialRow& row : TrialRows(view)) {
    text += std::to_string(row.id);
    for (const std::string& knob : row.knobs) text += "," + CsvField(knob);
    char metric[40] = "";
    if (row.metric) std::snprintf(metric, sizeof metric, "%.17g", *row.metric);
    text += "," + (row.metric ? std::to_string(row.step) : "") + "," + metric + "," +
            CsvField(row.state) + "," + CsvField(row.verdict) + "\n";
  }
  return text;
}

std::string ReportJson(const SweepView& view) {
  const sweep::Accounting& a = view.accounts;
  int64_t done = 0;
  for (const Stage& stage : view.standing.tree.stages()) done += stage.done ? 1 : 0;
  std::string text = JsonLine({{"kind", std::string("sweep")},
                               {"name", view.sweep.spec.name},
                               {"method", view.sweep.spec.method},
                               {"over", !view.sweep.journal.end.empty()},
                               {"best", view.winner ? int64_t{view.winner->trial} : int64_t{-1}},
                               {"best_state", view.winner ? view.winner->state : std::string()},
                               {"stages", static_cast<int64_t>(view.standing.tree.stages().size())},
                               {"stages_done", done},
                               {"steps_once", view.standing.tree.StepsOnce()},
                               {"steps_alone", view.standing.tree.StepsNaive()},
                               {"rank_s_alone", a.naive},
                               {"rank_s_spent", a.spent},
                               {"rank_s_saved", a.saved},
                               {"rank_s_overhead", a.overhead},
                               {"rank_s_stopped", a.pruned},
                               {"factor", a.Factor()}});
  for (const TrialRow& row : TrialRows(view)) {
    std::vector<std::string> runs;
    for (const StageId id : view.standing.tree.Path(row.id)) runs.push_back(RunAt(view, id).name);
    std::vector<std::pair<std::string, JsonValue>> fields = {{"kind", std::string("trial")},
                                                             {"trial", int64_t{row.id}}};
    for (size_t i = 0; i < row.knobs.size(); ++i) {
      fields.emplace_back(view.sweep.spec.knobs[i].key, row.knobs[i]);
    }
    fields.emplace_back("step", row.step);
    fields.emplace_back("metric", row.metric.value_or(std::nan("")));
    fields.emplace_back("state", row.state);
    fields.emplace_back("verdict", row.verdict);
    fields.emplace_back("runs", runs);
    text += JsonLine(fields);
  }
  for (const sweep::Event& event : view.sweep.journal.history.events()) {
    const auto* decision = std::get_if<Decision>(&event);
    if (decision == nullptr) continue;
    text += JsonLine({{"kind", std::string("decision")},
                      {"trial", int64_t{decision->trial}},
                      {"step", decision->step},
                      {"decision", std::string(DecisionName(decision->kind))},
                      {"until", decision->until},
                      {"from", int64_t{decision->from}},
                      {"saw", SawText(*decision)}});
  }
  return text;
}

}  // namespace stemma::cli
