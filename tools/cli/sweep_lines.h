// What is told of a sweep: where it stands, how its trials compare, what sharing saved, how its
// winner came about. Pure functions over a view that was gathered once; `sweep status`, `report`
// and `show` print them.
//
//   STEMMA_ASSIGN_OR_RETURN(const SweepView view, ViewOf(opened, "lr"));
//   Print(ReportText(view, false));
//
// Any thread. Failure: as RecordedSweep and StandingOf.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"
#include "tools/cli/open_store.h"
#include "tools/sweep/accounting.h"
#include "tools/sweep/opening.h"
#include "tools/sweep/standing.h"

namespace stemma::cli {

struct SweepView {
  sweep::OpenedSweep sweep;
  sweep::Standing standing;
  std::map<sweep::StageId, sweep::StageCost> costs;
  sweep::Accounting accounts;
  std::optional<sweep::Outcome> winner;
  std::string controller;  // who is at work; "": nobody
};

Result<SweepView> ViewOf(const OpenedStore& opened, const std::string& name);

// How one trial stands, for tables.
struct TrialRow {
  sweep::TrialId id = 0;
  std::vector<std::string> knobs;  // in the spec's order; "0.1; 200: 0.05" when it changes
  int64_t step = 0;                // of its newest outcome; 0: it has none
  std::optional<double> metric;
  std::string state;    // "lr.3fa94c1b0712@400"; "": none
  std::string verdict;  // "best", "stopped at 100", "diverged: ...", "runs", "waits", "done"
};
std::vector<TrialRow> TrialRows(const SweepView& view);  // best first, then those without a metric

// A few lines: trials and stages by what they are at.
std::string StatusText(const SweepView& view);
// A table of trials, the best path, rank-seconds; with `decisions` each of them with what it saw.
std::string ReportText(const SweepView& view, bool decisions);
std::string ReportCsv(const SweepView& view);
// A line each: the sweep, its trials, its decisions.
std::string ReportJson(const SweepView& view);

// A shell script that trains one trial alone, without the sweep, from its first step to its last:
// the same settings at the same steps, so the same bits on the same machine.
Result<std::string> ScheduleScript(const SweepView& view, sweep::TrialId trial,
                                   const std::string& store);

}  // namespace stemma::cli
