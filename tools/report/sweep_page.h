// A sweep as a page: what it found, every trial in a table, each knob against the metric, all knobs
// at once, the metric over steps, and what was spent.
//
//   SweepReport report;
//   report.title = "ASHA on aigw, 27 trials";
//   report.metric = "validation loss";
//   report.trials.push_back({"t07", {{"lr", "0.002"}, {"optimizer", "lamb"}},
//                            {{100, 0.71}, {400, 0.52}}, "finished", 812.5, "t03@100"});
//   std::string html = SweepPage(report);
//
// What a caller fills in, and what the page makes of it:
//
//   knobs    by name, as text. A knob whose values are all numbers has a numeric axis, logarithmic
//            when they are positive and differ tenfold; others have an axis of words. A trial
//            without a knob has a gap there.
//   metric   of each step at which it was measured, in order of steps; the last one counts. A value
//            that is not finite is a trial that diverged: the worst, shown as such, in no chart.
//   status   in the sweep's own words: finished, pruned, failed, running. Shown, not interpreted.
//   parent   what the trial was forked from, "trial@step"; empty for none. The best path is the
//            best trial and, through trials of these names, all that it was forked from.
//   seconds  rank-seconds that were really spent on the trial, what it shares counted once
//
// The best trial has the best last metric, of equal ones the first, and is highlighted everywhere.
// Names and values are untrusted text. Pure function.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tools/report/chart.h"
#include "tools/report/parallel.h"

namespace stemma::report {

struct MetricAt {
  double step = 0, value = 0;
};

struct SweepTrial {
  std::string name;
  std::vector<std::pair<std::string, std::string>> knobs;
  std::vector<MetricAt> metric;
  std::string status;
  double rank_seconds = 0;
  std::string parent;
};

struct SweepReport {
  std::string title, metric;
  bool lower_is_better = true;
  std::vector<SweepTrial> trials;
  // Rank-seconds that the same trials would have taken alone, 0: not known.
  double alone_rank_seconds = 0;
  std::vector<std::pair<std::string, std::string>> facts;  // method, seed, budget, versions
};

std::string SweepPage(const SweepReport& report);

// Places in report.trials, the best trial first and then what it was forked from; empty when no
// trial has a finite metric.
std::vector<size_t> BestPath(const SweepReport& report);

// One chart per knob: its values against the last metric; and all knobs with the metric at the end.
std::vector<Chart> KnobCharts(const SweepReport& report);
Parallel KnobPaths(const SweepReport& report);

}  // namespace stemma::report
