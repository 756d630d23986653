#include "tools/batches/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include <nlohmann/json.hpp>

#include "core/text.h"
#include "tools/report/page.h"
#include "tools/report/svg.h"
#include "tools/scale/series/files.h"

namespace stemma::batches {
namespace {

using nlohmann::ordered_json;

std::string Number(const std::optional<double>& value) {
  if (!value) return "-";
  char text[40];
  std::snprintf(text, sizeof text, "%.4g", *value);
  return text;
}

const std::vector<std::string>& Head() {
  static const std::vector<std::string> head = {"optimizer", "batch", "lr",       "steps",  "loss",
                                                "least",     "most",  "diverged", "seconds"};
  return head;
}

std::vector<std::string> CellsOf(const Group& group) {
  return {
      group.optimizer,      std::to_string(group.batch),
      Number(group.lr),     std::to_string(group.steps),
      Number(group.mean),   Number(group.least),
      Number(group.most),   std::to_string(group.diverged) + " of " + std::to_string(group.runs),
      Number(group.seconds)};
}

std::string MetricWords(const std::string& metric) {
  return metric == "loss" ? "training loss over the last tenth of the samples" : metric;
}

std::string RatesText(const Report& report) {
  std::string text;
  for (const auto& [name, rate] : report.ending.base) {
    const auto& tried = report.shape.rates.at(name);
    text += (text.empty() ? "" : " ") + name + " has rate " + Number(rate) + " at batch " +
            std::to_string(report.shape.batches.front());
    const auto& edge = report.ending.on_edge;
    if (tried.size() == 1) {
      text += ", as given.";
    } else {
      text += ", the best of " + std::to_string(tried.size()) + " from " + Number(tried.front()) +
              " to " + Number(tried.back()) + ", and grows with the batch.";
    }
    if (std::find(edge.begin(), edge.end(), name) != edge.end()) {
      text += " That is the end of what was tried: a better one may lie beyond.";
    }
  }
  const auto& names = report.shape.optimizers;
  if (std::find(names.begin(), names.end(), "lamb") == names.end()) return text;
  return text + (text.empty() ? "" : " ") + "lamb has 0.005 sqrt(B / 512), untuned.";
}

ordered_json Json(const std::optional<double>& value) {
  return value ? ordered_json(*value) : ordered_json();
}

// Missing where all runs of a group diverged.
std::string ChartNote(const std::vector<Group>& groups) {
  std::string gone;
  for (const Group& group : groups) {
    if (group.diverged == 0) continue;
    gone += (gone.empty() ? "" : ", ") + group.optimizer + " at " + std::to_string(group.batch) +
            " " + std::to_string(group.diverged) + " of " + std::to_string(group.runs);
  }
  return "Means over seeds; whiskers are the least and the most." +
         (gone.empty() ? "" : " Diverged, and in no mean: " + gone + ".");
}

}  // namespace

std::string GroupsText(const std::vector<Group>& groups) {
  std::vector<std::vector<std::string>> rows = {Head()};
  for (const Group& group : groups) rows.push_back(CellsOf(group));
  std::vector<size_t> widths(Head().size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - row[i].size(), ' ');
      text += (i == 0 ? row[i] + blanks : "  " + blanks + row[i]);
    }
    text += "\n";
  }
  return text;
}

std::string Findings(const Report& report) {
  const auto groups = GroupsOf(report.ending.rows);
  if (groups.empty()) return "No run is over yet.";
  const int64_t samples = report.shape.samples;
  return VerdictText(ReachesOf(groups), report.metric) + " Every run saw " +
         std::to_string(samples) +
         " samples: " + std::to_string(samples / report.shape.batches.front()) +
         " steps at batch " + std::to_string(report.shape.batches.front()) + ", " +
         std::to_string(samples / report.shape.batches.back()) + " at " +
         std::to_string(report.shape.batches.back()) + ". " + RatesText(report);
}

report::Chart BatchesChart(const Report& report) {
  const auto groups = GroupsOf(report.ending.rows);
  report::Chart chart;
  chart.title = "Final " + report.metric + " against batch, equal samples";
  chart.note = ChartNote(groups);
  chart.x.label = "samples of a batch";
  chart.x.scale = report::Scale::kLog;
  for (const int64_t batch : report.shape.batches) {
    chart.x.ticks.push_back(static_cast<double>(batch));
  }
  chart.y.label = MetricWords(report.metric);
  double least = std::numeric_limits<double>::infinity(), most = 0;
  constexpr report::Shape kMarks[] = {report::Shape::kDisc, report::Shape::kSquare,
                                      report::Shape::kTriangle};
  constexpr report::Join kJoins[] = {report::Join::kSolid, report::Join::kDashed,
                                     report::Join::kDotted};
  for (const Group& group : groups) {
    if (chart.series.empty() || chart.series.back().name != group.optimizer) {
      const size_t place = chart.series.size() % 3;
      report::Series series;
      series.name = group.optimizer;
      series.colour = static_cast<int>(chart.series.size()) + 1;
      series.mark = {kMarks[place], false};
      series.join = kJoins[place];
      chart.series.push_back(series);
    }
    if (!group.mean) continue;
    least = std::min(least, *group.least);
    most = std::max(most, *group.most);
    chart.series.back().points.push_back(
        {static_cast<double>(group.batch), *group.mean, group.least, group.most,
         group.optimizer + " at " + std::to_string(group.batch) + ": " + Number(group.mean)});
  }
  if (least > 0 && most >= 10 * least) chart.y.scale = report::Scale::kLog;
  return chart;
}

std::string ReportMarkdown(const Report& report) {
  const auto row_text = [](const std::vector<std::string>& cells) {
    std::string text = "|";
    for (const std::string& cell : cells) text += " " + cell + " |";
    return text + "\n";
  };
  std::string text = "# Large batches: " + MetricWords(report.metric) + "\n\n" + Findings(report) +
                     "\n\n" + row_text(Head()) +
                     row_text(std::vector<std::string>(Head().size(), "---"));
  for (const Group& group : GroupsOf(report.ending.rows)) text += row_text(CellsOf(group));
  text += "\n![" + report.metric + " against batch](batches.svg)\n\n";
  for (const auto& [name, value] : report.facts) text += "* " + name + ": " + value + "\n";
  for (const std::string& failure : report.ending.failures) text += "* failed: " + failure + "\n";
  return text;
}

std::string ReportJson(const Report& report) {
  ordered_json all = {{"metric", report.metric}, {"samples", report.shape.samples}};
  all["facts"] = ordered_json::object();
  for (const auto& [name, value] : report.facts) all["facts"][name] = value;
  all["rates"] = ordered_json::object();
  for (const auto& [name, rate] : report.ending.base) all["rates"][name] = rate;
  all["groups"] = ordered_json::array();
  const auto groups = GroupsOf(report.ending.rows);
  for (const Group& group : groups) {
    all["groups"].push_back({{"optimizer", group.optimizer},
                             {"batch", group.batch},
                             {"lr", group.lr},
                             {"steps", group.steps},
                             {"runs", group.runs},
                             {"diverged", group.diverged},
                             {"mean", Json(group.mean)},
                             {"least", Json(group.least)},
                             {"most", Json(group.most)},
                             {"seconds", group.seconds}});
  }
  all["within_10_percent"] = ordered_json::object();
  for (const Reach& reach : ReachesOf(groups)) {
    all["within_10_percent"][reach.optimizer] =
        reach.loss ? ordered_json(reach.batch) : ordered_json();
  }
  all["failures"] = report.ending.failures;
  all["verdict"] = Findings(report);
  return all.dump(2) + "\n";
}

std::string ReportPage(const Report& report) {
  report::Page page("Large batches", MetricWords(report.metric));
  page.Verdict(Findings(report));
  page.Figure(report::ChartSvg(BatchesChart(report)), "");
  report::Table table{"Means over seeds", Head(), {}};
  for (const Group& group : GroupsOf(report.ending.rows)) table.rows.push_back(CellsOf(group));
  page.Add(table);
  page.Heading("How it was found");
  page.Facts(report.facts);
  for (const std::string& failure : report.ending.failures) page.Paragraph("Failed: " + failure);
  page.Link("every run as CSV", "batches.csv");
  return std::move(page).Html();
}

Status WriteReport(const std::string& folder, const Report& report) {
  const std::string base = folder + "/batches.";
  STEMMA_RETURN_IF_ERROR(scale::WriteFile(base + "md", ReportMarkdown(report)));
  STEMMA_RETURN_IF_ERROR(scale::WriteFile(base + "json", ReportJson(report)));
  const std::string svg = report::SvgFile(report::ChartSvg(BatchesChart(report)));
  STEMMA_RETURN_IF_ERROR(scale::WriteFile(base + "svg", svg));
  return scale::WriteFile(base + "html", ReportPage(report));
}

}  // namespace stemma::batches
