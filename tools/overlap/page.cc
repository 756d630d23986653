#include "tools/overlap/page.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <utility>
#include <vector>

#include "tools/report/chart.h"
#include "tools/report/page.h"

namespace stemma::cli {

namespace {

constexpr size_t kMarksMax = 1000;       // of a scatter
constexpr size_t kCurvePoints = 200;     // of a distribution
constexpr double kMismatchFloor = 1e-8;  // where rounding begins

std::string Digits(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// Share of mergers whose mismatch is x or more.
report::Series Distribution(const char* name, int colour, report::Join join,
                            std::vector<double> mismatches) {
  std::sort(mismatches.begin(), mismatches.end());
  report::Series series;
  series.name = name;
  series.colour = colour;
  series.join = join;
  const size_t n = mismatches.size(), every = std::max<size_t>(1, n / kCurvePoints);
  for (size_t i = 0; i < n; i += every) {
    report::Point point;
    point.x = std::max(mismatches[i], kMismatchFloor);
    point.y = 100. * static_cast<double>(n - i) / static_cast<double>(n);
    series.points.push_back(point);
  }
  return series;
}

std::string DistributionSvg(const OverlapReport& r) {
  std::vector<double> flat, ligo;
  for (const models::MergerOverlap& merger : r.evaluation.mergers) {
    flat.push_back(1 - merger.flat);
    ligo.push_back(1 - merger.ligo);
  }
  report::Chart chart;
  chart.title = "Mergers by how badly they are read";
  chart.x.label = "mismatch, 1 - overlap";
  chart.x.scale = report::Scale::kLog;
  chart.y.label = "mergers with this mismatch or more";
  chart.y.unit = " %";
  chart.y.low = 0;
  chart.series.push_back(Distribution("white noise", 0, report::Join::kSolid, flat));
  chart.series.push_back(Distribution("advanced LIGO", 1, report::Join::kDashed, ligo));
  return ChartSvg(chart);
}

std::string ScatterSvg(const OverlapReport& r, size_t which, const char* name) {
  report::Chart chart;
  chart.title = name;
  chart.width = 360;
  chart.plot_height = 260;
  chart.x.label = std::string("true ") + name;
  chart.y.label = "read";
  report::Series series;
  series.mark = {report::Shape::kDisc, false, true};
  const size_t every = (r.readings.size() + kMarksMax - 1) / kMarksMax;
  double low = INFINITY, high = -INFINITY;
  for (size_t i = 0; i < r.readings.size(); i += every) {
    report::Point point;
    point.x = models::ValuesOf(r.readings[i].truth)[which];
    point.y = models::ValuesOf(r.estimates[i].binary)[which];
    low = std::min(low, point.x);
    high = std::max(high, point.x);
    series.points.push_back(point);
  }
  report::Series truth;
  truth.colour = report::kInk;
  truth.join = report::Join::kDotted;
  truth.points.resize(2);
  truth.points[0].x = truth.points[0].y = low;
  truth.points[1].x = truth.points[1].y = high;
  chart.series = {series, truth};
  return ChartSvg(chart);
}

std::vector<std::string> SummaryRow(const char* name, const models::OverlapSummary& s) {
  return {name,
          Digits("%.5f", s.mean),
          Digits("%.5f", s.median),
          Digits("%.5f", s.percentile_5),
          Digits("%.5f", s.percentile_1),
          Digits("%.1f %%", 100 * s.fraction_99),
          Digits("%.1f %%", 100 * s.fraction_97)};
}

}  // namespace

std::string OverlapPage(const OverlapReport& r) {
  constexpr const char* kNames[] = {"q", "s1", "s2", "chi_eff", "S_eff"};
  const models::Evaluation& e = r.evaluation;
  report::Page page("Mergers read by " + r.state,
                    std::to_string(r.readings.size()) + " held-out mergers, " + r.split + " set");
  page.Verdict("Median overlap " + Digits("%.5f", e.flat.median) + " with white noise, " +
               Digits("%.5f", e.ligo.median) + " with advanced LIGO's.");
  page.Figure(DistributionSvg(r),
              "Overlap maximised over time and phase, on the window that the "
              "network sees.");
  page.Add({"Overlaps",
            {"noise", "mean", "median", "5 %", "1 %", "above 0.99", "above 0.97"},
            {SummaryRow("white", e.flat), SummaryRow("advanced LIGO", e.ligo)}});
  report::Table errors = {"Absolute errors", {"", "mean", "median", "90 %"}, {}};
  for (size_t k = 0; k < 5; ++k) {
    const models::ErrorSummary& s = e.errors[k];
    errors.rows.push_back({kNames[k], Digits("%.4f", s.mean), Digits("%.4f", s.median),
                           Digits("%.4f", s.percentile_90)});
  }
  page.Add(errors);
  page.Heading("Parameter by parameter");
  page.Row({ScatterSvg(r, 0, "q"), ScatterSvg(r, 1, "s1"), ScatterSvg(r, 2, "s2"),
            ScatterSvg(r, 3, "chi_eff")});
  page.Paragraph("With s2 alone as read the median overlap is " +
                 Digits("%.5f", e.degeneracy.alone[2]) + ", with 0 in its place " +
                 Digits("%.5f", e.degeneracy.without_s2) + ".");
  return std::move(page).Html();
}

}  // namespace stemma::cli
