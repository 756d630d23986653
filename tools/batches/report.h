// The runs as people and their scripts read them: a text table, batches.md, batches.json and a page
// with the figure, loss against batch with a line per optimizer and the spread over seeds.
//
//   Report report{job.shape, "loss", ending, facts};
//   Print(GroupsText(GroupsOf(ending.rows)));
//   STEMMA_RETURN_IF_ERROR(WriteReport("stemma-batches", report));
//
// All say how many samples each run had, which rates were tried and taken, how often an optimizer
// diverged, and end with the verdict of table.h. A group of which all diverged has no point in the
// figure; the note below it says so. Pure functions but for Write. Failure: kIo.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/status.h"
#include "tools/batches/evidence.h"
#include "tools/batches/plan.h"
#include "tools/batches/table.h"
#include "tools/report/chart.h"

namespace stemma::batches {

struct Report {
  Shape shape;
  std::string metric;  // "loss", "val_loss"
  Ending ending;
  std::vector<std::pair<std::string, std::string>> facts;  // the recipe, the machine, versions
};

// Aligned columns: a line per optimizer and batch.
std::string GroupsText(const std::vector<Group>& groups);
// The verdict, and what it was found with.
std::string Findings(const Report& report);

report::Chart BatchesChart(const Report& report);
std::string ReportMarkdown(const Report& report);
std::string ReportJson(const Report& report);
std::string ReportPage(const Report& report);

// batches.md, batches.json, batches.svg and batches.html beside batches.csv.
Status WriteReport(const std::string& folder, const Report& report);

}  // namespace stemma::batches
