#include "tools/report/own_runs.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/text.h"
#include "tools/scale/workload.h"

namespace stemma::report {
namespace {

constexpr int kOwnColour = 4;

void AddTick(double value, std::vector<double>* ticks) {
  const auto at = std::lower_bound(ticks->begin(), ticks->end(), value);
  if (at == ticks->end() || *at != value) ticks->insert(at, value);
}

// Draws own runs as `value` of a rate of samples per second; one series of those with cores of
// their own, one of the others.
template <typename Value>
void AddSeries(const OwnRuns& own, const std::string& name, bool right, const Value& value,
               PublishedFigure* figure) {
  Series real{
      "own runs: " + name, kOwnColour, {Shape::kTriangle, false}, Join::kNone, right, false, {}};
  Series crowded = real;
  crowded.name = "own, oversubscribed";
  crowded.mark.shape = Shape::kCross;
  figure->own = {
      "Own runs: " + name, {"ranks", "machine", "mode", "median", "least .. most", ""}, {}};
  figure->chart.x.label += "; own runs: ranks";
  for (const scale::RunSummary& run : own.runs) {
    if (!run.samples_per_s || run.Has("published") || run.Has("simulated")) continue;
    const double least = value(run.samples_per_s->least);
    const double median = value(run.samples_per_s->median);
    const double most = value(run.samples_per_s->most);
    const std::string ranks = std::to_string(run.ranks);
    Point point{static_cast<double>(run.ranks), median, std::min(least, most),
                std::max(least, most),
                ranks + " ranks of " + run.system + ", " + run.mode + ": " + Label(median)};
    AddTick(run.ranks, &figure->chart.x.ticks);
    const bool is_crowded = run.Has("oversubscribed");
    figure->own.rows.push_back({ranks, run.system, run.mode, Label(median),
                                Label(*point.low) + " .. " + Label(*point.high),
                                is_crowded ? "oversubscribed" : ""});
    (is_crowded ? crowded : real).points.push_back(std::move(point));
  }
  if (!real.points.empty()) figure->chart.series.push_back(std::move(real));
  if (!crowded.points.empty()) figure->chart.series.push_back(std::move(crowded));
}

}  // namespace

Status CheckOwnRuns(const OwnRuns& own) {
  if (own.model.empty() || own.model == "resnet50" || own.model == "aigw" || own.model == "aides") {
    return {};
  }
  const std::string near = Nearest(own.model, {"resnet50", "aigw", "aides"});
  return {Code::kInvalidArgument,
          "no figure is about the model '" + own.model + "'; there are resnet50 (Fig 1), aigw " +
              "(2, 3, 5) and aides (4)" + (near.empty() ? "" : "; did you mean '" + near + "'?")};
}

void AddOwnRates(const OwnRuns& own, const std::string& model, PublishedFigure* figure) {
  if (own.model != model) return;
  AddSeries(
      own, "img/s", true, [](double rate) { return rate; }, figure);
}

Status AddOwnTimes(const OwnRuns& own, const std::string& model, double unit_s,
                   PublishedFigure* figure) {
  if (own.model != model) return {};
  STEMMA_ASSIGN_OR_RETURN(const scale::Workload workload, scale::MakeWorkload(model, {}));
  const double samples = workload.samples_per_epoch.value * workload.epochs.value;
  AddSeries(
      own, "time at the measured rate", false, [&](double rate) { return samples / rate / unit_s; },
      figure);
  figure->text.push_back("Own runs: the time that " + Label(samples) +
                         " samples would take at the measured rate, without validation; the "
                         "number of samples is assumed for the published runs too.");
  return {};
}

}  // namespace stemma::report
