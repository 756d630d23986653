#include "tools/report/sweep_page.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <set>

#include "tools/report/page.h"

namespace stemma::report {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kFewSettings = 6;
constexpr size_t kNone = std::numeric_limits<size_t>::max();

double LastMetric(const SweepTrial& trial) {
  if (trial.metric.empty()) return kNan;
  const double value = trial.metric.back().value;
  return std::isfinite(value) ? value : kNan;
}

// In the order in which trials name them first.
std::vector<std::string> KnobsOf(const SweepReport& report) {
  std::vector<std::string> names;
  for (const SweepTrial& trial : report.trials) {
    for (const auto& [name, value] : trial.knobs) {
      if (std::count(names.begin(), names.end(), name) == 0) names.push_back(name);
    }
  }
  return names;
}

std::optional<std::string> ValueOf(const SweepTrial& trial, const std::string& knob) {
  for (const auto& [name, value] : trial.knobs) {
    if (name == knob) return value;
  }
  return {};
}

std::optional<double> NumberOf(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != 0 || !std::isfinite(value)) return {};
  return value;
}

Axis AxisOf(const SweepReport& report, const std::string& knob) {
  std::set<std::string> words;
  std::vector<double> numbers;
  for (const SweepTrial& trial : report.trials) {
    const auto value = ValueOf(trial, knob);
    if (!value) continue;
    words.insert(*value);
    if (const auto number = NumberOf(*value)) numbers.push_back(*number);
  }
  Axis axis;
  axis.label = knob;
  for (const std::string& word : words) {
    if (NumberOf(word)) continue;
    axis.words.assign(words.begin(), words.end());
    return axis;
  }
  const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
  if (least != numbers.end() && *least > 0 && *most >= 10 * *least) axis.scale = Scale::kLog;
  // A knob with a few settings has these as its ticks.
  const std::set<double> settings(numbers.begin(), numbers.end());
  if (settings.size() <= kFewSettings) axis.ticks.assign(settings.begin(), settings.end());
  return axis;
}

double PlaceOf(const SweepTrial& trial, const Axis& axis) {
  const auto value = ValueOf(trial, axis.label);
  if (!value) return kNan;
  if (axis.words.empty()) return NumberOf(*value).value_or(kNan);
  const auto at = std::find(axis.words.begin(), axis.words.end(), *value);
  return static_cast<double>(at - axis.words.begin());
}

size_t TrialNamed(const SweepReport& report, const std::string& name) {
  for (size_t i = 0; i < report.trials.size(); ++i) {
    if (report.trials[i].name == name) return i;
  }
  return kNone;
}

bool IsLogarithmic(const std::vector<double>& values) {
  double least = std::numeric_limits<double>::infinity(), most = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    least = std::min(least, value);
    most = std::max(most, value);
  }
  return least > 0 && most >= 10 * least;
}

Scale MetricScale(const SweepReport& report) {
  std::vector<double> values;
  for (const SweepTrial& trial : report.trials) values.push_back(LastMetric(trial));
  return IsLogarithmic(values) ? Scale::kLog : Scale::kLinear;
}

// How a trial's curve looks: the best one, what it was forked from, or another.
Series CurveOf(const SweepTrial& trial, bool best, bool on_path) {
  Series series{"", 0, {}, Join::kDotted, false, false, {}};
  if (best) series = {trial.name, 1, {Shape::kSquare, false}, Join::kSolid, false, false, {}};
  if (on_path && !best) {
    series = {
        trial.name + ", forked", 2, {Shape::kTriangle, false}, Join::kDashed, false, false, {}};
  }
  for (const MetricAt& at : trial.metric) {
    const double value = std::isfinite(at.value) ? at.value : kNan;
    series.points.push_back(
        {at.step, value, {}, {}, trial.name + " at " + Label(at.step) + ": " + Label(value)});
  }
  return series;
}

// The metric over steps; the best path lies above the others.
Chart CurveChart(const SweepReport& report) {
  Chart chart;
  chart.title = report.metric + " over steps";
  chart.note = "Dotted: trials that the best one does not come from.";
  chart.x.label = "steps";
  chart.y = {report.metric, MetricScale(report), {}, {}, {}, "", {}};
  const std::vector<size_t> path = BestPath(report);
  for (size_t i = 0; i < report.trials.size(); ++i) {
    if (std::count(path.begin(), path.end(), i) != 0) continue;
    chart.series.push_back(CurveOf(report.trials[i], false, false));
  }
  for (size_t k = path.size(); k > 0; --k) {
    chart.series.push_back(CurveOf(report.trials[path[k - 1]], k == 1, true));
  }
  return chart;
}

Table TrialTable(const SweepReport& report) {
  Table table{"Every trial, the best ones first", {"trial"}, {}};
  const std::vector<std::string> knobs = KnobsOf(report);
  table.head.insert(table.head.end(), knobs.begin(), knobs.end());
  for (const char* name : {"last step", "", "status", "rank-seconds", "forked from"}) {
    table.head.push_back(*name == 0 ? report.metric : name);
  }
  std::vector<size_t> order(report.trials.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto badness = [&](size_t i) {
    const double value = LastMetric(report.trials[i]);
    if (std::isnan(value)) return std::numeric_limits<double>::infinity();
    return report.lower_is_better ? value : -value;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return badness(a) < badness(b); });
  for (const size_t i : order) {
    const SweepTrial& trial = report.trials[i];
    std::vector<std::string> row = {trial.name};
    for (const std::string& knob : knobs) row.push_back(ValueOf(trial, knob).value_or(""));
    const bool measured = !trial.metric.empty();
    const bool diverged = measured && std::isnan(LastMetric(trial));
    row.push_back(measured ? Label(trial.metric.back().step) : "");
    row.push_back(measured && !diverged ? Label(LastMetric(trial)) : "–");
    row.push_back(trial.status + (diverged ? ", diverged" : ""));
    row.push_back(Label(trial.rank_seconds));
    row.push_back(trial.parent);
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string Spent(const SweepReport& report) {
  double spent = 0;
  for (const SweepTrial& trial : report.trials) spent += trial.rank_seconds;
  std::string text = "Spent: " + Label(spent) + " rank-seconds on " +
                     std::to_string(report.trials.size()) +
                     (report.trials.size() == 1 ? " trial." : " trials.");
  if (report.alone_rank_seconds > 0 && spent > 0) {
    const double saved = report.alone_rank_seconds - spent;
    text += " Trained alone they would have taken " + Label(report.alone_rank_seconds) + ": " +
            (saved < 0 ? Label(-saved) + " more were spent on starts" : Label(saved) + " saved") +
            ", a factor of " + Label(report.alone_rank_seconds / spent) + ".";
  }
  return text;
}

std::string Finding(const SweepReport& report) {
  const std::vector<size_t> path = BestPath(report);
  if (path.empty()) return "No trial has a finite " + report.metric + ".";
  const SweepTrial& best = report.trials[path.front()];
  std::string text = "Best: " + best.name + ", " + report.metric + " " + Label(LastMetric(best)) +
                     " at step " + Label(best.metric.back().step);
  for (const auto& [name, value] : best.knobs) text += ", " + name + " = " + value;
  if (path.size() == 1) return text + ".";
  text += ". Forked from ";
  for (size_t i = 1; i < path.size(); ++i) {
    text += (i > 1 ? ", that from " : "") + report.trials[path[i - 1]].parent;
  }
  return text + ".";
}

}  // namespace

std::vector<size_t> BestPath(const SweepReport& report) {
  size_t best = kNone;
  for (size_t i = 0; i < report.trials.size(); ++i) {
    const double value = LastMetric(report.trials[i]);
    if (std::isnan(value)) continue;
    const double other = best == kNone ? value : LastMetric(report.trials[best]);
    const bool better = report.lower_is_better ? value < other : value > other;
    if (best == kNone || better) best = i;
  }
  std::vector<size_t> path;
  // A name that comes again ends the path: no loop is followed.
  while (best != kNone && std::count(path.begin(), path.end(), best) == 0) {
    path.push_back(best);
    const std::string& parent = report.trials[best].parent;
    best = parent.empty() ? kNone : TrialNamed(report, parent.substr(0, parent.rfind('@')));
  }
  return path;
}

std::vector<Chart> KnobCharts(const SweepReport& report) {
  std::vector<Chart> charts;
  const std::vector<size_t> path = BestPath(report);
  for (const std::string& knob : KnobsOf(report)) {
    const Axis axis = AxisOf(report, knob);
    Chart chart;
    chart.title = knob + " against " + report.metric;
    chart.width = 460;
    chart.plot_height = 220;
    chart.x = axis;
    chart.y = {report.metric, MetricScale(report), {}, {}, {}, "", {}};
    Series others{"trials", 0, {Shape::kDisc, false}, Join::kNone, false, false, {}};
    Series best{"best", 1, {Shape::kSquare, false}, Join::kNone, false, false, {}};
    for (size_t i = 0; i < report.trials.size(); ++i) {
      const SweepTrial& trial = report.trials[i];
      const bool is_best = !path.empty() && path.front() == i;
      (is_best ? best : others)
          .points.push_back({PlaceOf(trial, axis),
                             LastMetric(trial),
                             {},
                             {},
                             trial.name + ", " + knob + " = " +
                                 ValueOf(trial, knob).value_or("none") + ": " +
                                 Label(LastMetric(trial))});
    }
    chart.series = {others, best};
    charts.push_back(std::move(chart));
  }
  return charts;
}

Parallel KnobPaths(const SweepReport& report) {
  Parallel parallel;
  parallel.title = "All knobs and " + report.metric;
  parallel.note =
      "One line per trial; the best one is thick. A gap is a knob that a trial does not "
      "have, or a trial that diverged or was not measured.";
  for (const std::string& knob : KnobsOf(report)) parallel.axes.push_back(AxisOf(report, knob));
  const std::vector<size_t> path = BestPath(report);
  for (size_t i = 0; i < report.trials.size(); ++i) {
    ParallelPath line{report.trials[i].name, {}, !path.empty() && path.front() == i};
    for (const Axis& axis : parallel.axes) {
      line.values.push_back(PlaceOf(report.trials[i], axis));
    }
    line.values.push_back(LastMetric(report.trials[i]));
    parallel.paths.push_back(std::move(line));
  }
  parallel.axes.push_back({report.metric, MetricScale(report), {}, {}, {}, "", {}});
  return parallel;
}

std::string SweepPage(const SweepReport& report) {
  Page page(report.title.empty() ? "Sweep" : report.title, "");
  page.Verdict(Finding(report));
  page.Paragraph(Spent(report));
  page.Figure(ParallelSvg(KnobPaths(report)), "");
  page.Figure(ChartSvg(CurveChart(report)), "");
  page.Heading("Trials");
  page.Add(TrialTable(report));
  page.Heading("Each knob");
  std::vector<std::string> charts;
  for (const Chart& chart : KnobCharts(report)) charts.push_back(ChartSvg(chart));
  page.Row(charts);
  if (!report.facts.empty()) {
    page.Heading("How it was searched");
    page.Facts(report.facts);
  }
  return std::move(page).Html();
}

}  // namespace stemma::report
