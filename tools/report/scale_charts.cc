#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "core/text.h"
#include "tools/report/scale_page.h"

namespace stemma::report {
namespace {

using scale::RunSummary;
using scale::Spread;
using MaybeSpread = std::optional<Spread> RunSummary::*;

// Where a value comes from; each has its own mark.
enum class Origin { kOwn, kCrowded, kPublished, kSimulated };

Origin OriginOf(const RunSummary& run) {
  if (run.Has("simulated")) return Origin::kSimulated;
  if (run.Has("published")) return Origin::kPublished;
  return run.Has("oversubscribed") ? Origin::kCrowded : Origin::kOwn;
}

// A quantity of the chart: how its own points look, and how its numbers are read.
struct Quantity {
  std::string name;
  int colour;
  Shape shape;
  Join join;
  bool right;
  MaybeSpread of;
  double factor;
  const char* unit;
};

const std::vector<Quantity>& Quantities() {
  static const std::vector<Quantity> kAll = {
      {"throughput", 0, Shape::kDisc, Join::kSolid, false, &RunSummary::samples_per_s, 1,
       " samples/s"},
      {"efficiency by throughput", 1, Shape::kSquare, Join::kDashed, true,
       &RunSummary::efficiency_throughput, 100, " %"},
      {"efficiency by time", 2, Shape::kTriangle, Join::kDotted, true, &RunSummary::efficiency_time,
       100, " %"}};
  return kAll;
}

Series SeriesOf(const Quantity& quantity, Origin origin) {
  Series series{quantity.name,
                quantity.colour,
                {quantity.shape, false},
                quantity.join,
                quantity.right,
                false,
                {}};
  if (origin == Origin::kOwn) return series;
  series.join = Join::kNone;
  if (origin == Origin::kCrowded) {
    series.name += ", oversubscribed: not in the verdict";
    series.mark.shape = Shape::kCross;
  } else if (origin == Origin::kPublished) {
    series.name += ", published";
    series.mark.open = true;
  } else {
    series.name += ", simulated";
    series.mark.shape = Shape::kDiamond;
  }
  return series;
}

Point PointOf(const RunSummary& run, const Quantity& quantity) {
  const Spread& spread = *(run.*quantity.of);
  Point point{static_cast<double>(run.ranks), quantity.factor * spread.median, {}, {}, ""};
  point.hover = std::to_string(run.ranks) + " ranks of " + run.system + ": " + quantity.name + " " +
                Label(point.y) + quantity.unit;
  if (run.repeats > 1) {
    point.low = quantity.factor * spread.least;
    point.high = quantity.factor * spread.most;
    point.hover += " (" + Label(*point.low) + " .. " + Label(*point.high) + " in " +
                   std::to_string(run.repeats) + " runs)";
  }
  return point;
}

bool Belongs(const RunSummary& run, const std::string& mode, const std::string& system) {
  if (run.mode != mode) return false;
  const Origin origin = OriginOf(run);
  return run.system == system || origin == Origin::kPublished || origin == Origin::kSimulated;
}

// From the smallest count, at its throughput per rank, to the largest.
Series IdealOf(const std::vector<const RunSummary*>& own) {
  Series ideal{"", kInk, {}, Join::kDotted, false, false, {}};
  const RunSummary* base = nullptr;
  int most = 0;
  for (const RunSummary* run : own) {
    if (!run->samples_per_s) continue;
    if (base == nullptr || run->ranks < base->ranks) base = run;
    most = std::max(most, run->ranks);
  }
  if (base == nullptr) return ideal;
  ideal.name =
      "ideal from " + std::to_string(base->ranks) + (base->ranks == 1 ? " rank" : " ranks");
  const double rate = base->samples_per_s->median;
  ideal.points = {{static_cast<double>(base->ranks), rate, {}, {}, ""},
                  {static_cast<double>(most), rate / base->ranks * most, {}, {}, ""}};
  return ideal;
}

bool IsOwn(const RunSummary& run) {
  return OriginOf(run) == Origin::kOwn || OriginOf(run) == Origin::kCrowded;
}

}  // namespace

std::string ModeInWords(const std::string& mode) {
  if (mode == "strong") return "Strong scaling: the global batch is the same on every count.";
  if (mode == "weak") return "Weak scaling: the batch of a rank is the same on every count.";
  return "Equal data, growing batch: the batch of a rank is the same on every count, and all "
         "counts "
         "train the same samples. Strong scaling in epochs, weak scaling in batch.";
}

Chart ScaleChart(const std::vector<RunSummary>& all, const std::string& mode,
                 const std::string& system) {
  Chart chart;
  std::vector<const RunSummary*> own;
  std::vector<double> counts;
  for (const RunSummary& run : all) {
    if (!Belongs(run, mode, system)) continue;
    counts.push_back(run.ranks);
    if (IsOwn(run)) own.push_back(&run);
  }
  std::sort(counts.begin(), counts.end());
  counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
  chart.title = "Throughput and efficiency, " + mode + ", " + system;
  chart.x = {"ranks", Scale::kLog, {}, {}, counts, "", {}};
  chart.y = {"samples per second", Scale::kLog, {}, {}, {}, "", {}};
  chart.right = Axis{"parallel efficiency, %", Scale::kLinear, 0, 110, {}, "", {}};
  chart.rules = {{100 * scale::kEfficiencyAsked, "75 %", true}};
  chart.note = ModeInWords(mode);
  if (!own.empty() && own.front()->base_ranks > 0) {
    chart.note += " Efficiency is against " + std::to_string(own.front()->base_ranks) +
                  (own.front()->base_ranks == 1 ? " rank." : " ranks.");
  }
  chart.series.push_back(IdealOf(own));
  bool repeated = false;
  for (const Quantity& quantity : Quantities()) {
    for (const Origin origin :
         {Origin::kOwn, Origin::kCrowded, Origin::kPublished, Origin::kSimulated}) {
      Series series = SeriesOf(quantity, origin);
      for (const RunSummary& run : all) {
        if (!Belongs(run, mode, system) || OriginOf(run) != origin || !(run.*quantity.of)) continue;
        series.points.push_back(PointOf(run, quantity));
        repeated = repeated || run.repeats > 1;
      }
      if (!series.points.empty()) chart.series.push_back(std::move(series));
    }
  }
  if (repeated)
    chart.note +=
        " A mark is the median of the repeats, whiskers end at the least and "
        "the most.";
  return chart;
}

Bars WaitBars(const std::vector<RunSummary>& all, const std::string& mode,
              const std::string& system) {
  Bars bars;
  bars.title = "Where a step's time goes, " + mode + ", " + system;
  bars.parts = {"compute and the rest", "waiting for input", "exposed communication",
                "waiting for the slowest rank"};
  bars.note = "Medians per step. What was not measured is part of the rest.";
  for (const RunSummary& run : all) {
    const bool known = run.exposed_comm_s || run.input_wait_s || run.straggler_s;
    if (run.mode != mode || run.system != system || !IsOwn(run)) continue;
    if (!known || !run.step_p50_s) continue;
    const double step = *run.step_p50_s, input = run.input_wait_s.value_or(0);
    const double exposed = run.exposed_comm_s.value_or(0);
    // The wait for others holds the lateness of the slowest.
    const double late = std::min(run.straggler_s.value_or(0), exposed);
    bars.rows.push_back({std::to_string(run.ranks) + (run.ranks == 1 ? " rank" : " ranks"),
                         {step - input - exposed, input, exposed - late, late},
                         HumanDuration(step)});
  }
  return bars;
}

}  // namespace stemma::report
