// A series as people and their scripts read it: a text table, scale.md and scale.json. The page
// with the figure is drawn from scale.csv by tools/report.
//
//   SeriesReport report = {rows, failures, commands, facts, input, points};
//   Print(TableText(report.rows));
//   STEMMA_RETURN_IF_ERROR(WriteReport("stemma-scale", report));
//
// Both name throughput and time apart and name the base; both end with the verdict in words. An
// empty field is a dash: the workload cannot give it. Pure functions but for Write. Failure: kIo.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/status.h"
#include "tools/scale/run_table.h"
#include "tools/scale/run_verdict.h"

namespace stemma::scale {

using Facts = std::vector<std::pair<std::string, std::string>>;

struct SeriesReport {
  std::vector<RunRow> rows;  // with efficiencies
  std::vector<std::string> failures, commands;
  Facts facts;         // versions, hosts, devices, date
  Facts input;         // what every count has alike
  std::string folder;  // points/*/point.json go into the JSON
};

// One line per number of ranks: medians over the repeats, and their spread.
std::string TableText(const std::vector<RunRow>& rows);
// Where the time of a step goes, by number of ranks: exposed communication, input, stragglers, and
// the phases that points/*/point.json of `folder` tell. "" when nothing is known of it.
std::string WhyText(const std::vector<RunRow>& rows, const std::string& folder);
std::string VerdictText(const std::vector<RunRow>& rows);

std::string ReportMarkdown(const SeriesReport& report);
Result<std::string> ReportJson(const SeriesReport& report);

// scale.md and scale.json beside scale.csv.
Status WriteReport(const SeriesReport& report);

}  // namespace stemma::scale
