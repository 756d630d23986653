// A scaling series as the page that computing centres ask for: the verdict in words first, then for
// each mode and machine throughput and efficiency, the numbers, and where a step's time goes.
//
//   STEMMA_ASSIGN_OR_RETURN(std::vector<scale::RunRow> rows, scale::ReadRunTable("scale.csv"));
//   ScaleFacts facts{"Scaling of resnet50", "scale.csv"};
//   facts.machine = {{"host", "n01, n02"}, {"version", "0.4"}, {"date", "2026-11-22"}};
//   STEMMA_ASSIGN_OR_RETURN(std::string html, ScalePage(rows, facts));
//
// The chart: throughput over ranks, both logarithmic, with the ideal line from the smallest count;
// efficiency by throughput and by time on the right axis, with the line at 75 %; the least and the
// most of the repeats as whiskers. Strong, weak and equal data stand apart. Oversubscribed counts
// are crosses, not joined and not in the verdict; published points of the same mode are open,
// predictions diamonds. Efficiencies are computed here from the rows, never read from them.
//
// Fewer than three numbers of nodes are "not sufficient evidence". Failure: kInvalidArgument for no
// rows, and when the counts of a series did not have the same input (run_table.h), because then no
// efficiency says anything. Pure function.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/status.h"
#include "tools/report/bars.h"
#include "tools/report/chart.h"
#include "tools/scale/run_table.h"
#include "tools/scale/run_verdict.h"

namespace stemma::report {

using NamedValues = std::vector<std::pair<std::string, std::string>>;

// What a table of runs does not say. All may be empty.
struct ScaleFacts {
  std::string title;
  std::string csv;  // the table's file, beside the page
  NamedValues input, machine;
  std::vector<std::string> commands, failures;
  // Seconds of a step by phase, for a mode and a number of ranks: "forward", "backward", ...
  struct Phases {
    std::string mode;
    int ranks = 0;
    std::vector<std::pair<std::string, double>> seconds;
  };
  std::vector<Phases> phases;
};

Result<std::string> ScalePage(std::vector<scale::RunRow> rows, const ScaleFacts& facts);

// The page's charts with names for files of their own: "scale-strong-hal". Rows have efficiencies.
std::vector<std::pair<std::string, Chart>> ScaleCharts(const std::vector<scale::RunRow>& rows);

// The chart of one mode and machine, from summaries of rows with efficiencies.
Chart ScaleChart(const std::vector<scale::RunSummary>& all, const std::string& mode,
                 const std::string& system);

// Where a step's time goes by the table alone: waits that were measured, and the rest. Of exposed
// communication, the lateness of the slowest rank is told apart. No rows: nothing is known.
Bars WaitBars(const std::vector<scale::RunSummary>& all, const std::string& mode,
              const std::string& system);

// "strong scaling: the global batch is the same on every count"
std::string ModeInWords(const std::string& mode);

}  // namespace stemma::report
