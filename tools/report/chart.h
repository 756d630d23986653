// A chart of points, lines and bands over two axes, with a third one at the right if asked for.
//
//   Chart chart;
//   chart.title = "Fig 4: AI-DES on HAL";
//   chart.x = {"GPUs", Scale::kLog};
//   chart.y = {"time to train, minutes", Scale::kLog};
//   Series published{"published", 1, {Shape::kDisc, true}};
//   published.points = {{1, 126}, {64, 2.7}};
//   chart.series.push_back(published);
//   chart.rules.push_back({75, "75 %", true});      // a horizontal line, here of the right axis
//   std::string svg = ChartSvg(chart);
//
// A series with dashes or a solid line is joined where neighbours have both a value; without one it
// is marks alone, which is how points of others are shown: a line would claim what lies between.
// `low` and `high` of a point are its 10 and 90 %: whiskers, or a band along the line. Axes widen
// until everything fits, so nothing is ever cut off; what has no place on a logarithmic axis is
// counted in a line below the chart.
//
// The legend stands above the plot and never covers data. Series of the right axis say so there.
// Equal charts give equal bytes. Pure function.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/report/axis.h"
#include "tools/report/svg.h"

namespace stemma::report {

struct Point {
  double x = 0, y = 0;
  std::optional<double> low, high;
  std::string hover;  // what a pointer over the mark shows
};

enum class Join { kNone, kSolid, kDashed, kDotted };

struct Series {
  std::string name;  // empty: not in the legend
  int colour = 0;
  Mark mark;
  Join join = Join::kNone;
  bool right = false;  // values of the right axis
  bool band = false;   // low and high as an area instead of whiskers
  std::vector<Point> points;
};

struct Rule {
  double value = 0;
  std::string label;
  bool right = false;
};

struct Chart {
  std::string title, note;  // the note stands below, in as many lines as it needs
  Axis x, y;
  std::optional<Axis> right;
  std::vector<Series> series;  // later ones lie above earlier ones
  std::vector<Rule> rules;
  double width = 720, plot_height = 320;
};

std::string ChartSvg(const Chart& chart);

// A legend's entry: what a series or a part looks like, and its name. Shared with bars.h.
struct LegendEntry {
  std::string name;
  int colour = 0;
  Mark mark;
  Join join = Join::kNone;
  bool area = false;
};
// Lays entries out in rows between two x; returns the y below them. With no picture it only
// measures.
double DrawLegend(const std::vector<LegendEntry>& entries, double left, double right, double top,
                  Svg* svg);

Stroke StrokeOf(Join join);

}  // namespace stemma::report
