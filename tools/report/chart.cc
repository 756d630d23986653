#include "tools/report/chart.h"

#include <algorithm>
#include <cmath>

namespace stemma::report {
namespace {

constexpr double kEdge = 12;  // between the picture's border and what is nearest to it
constexpr double kTitleSize = 16;
constexpr double kNoteSize = 12;
constexpr double kLine = 18;  // from a line of text to the next
constexpr double kTickDistance = 30;
constexpr double kMostTick = 110;  // words are cut there

double Widest(const std::vector<Tick>& ticks) {
  double width = 0;
  for (const Tick& tick : ticks) width = std::max(width, TextWidth(tick.label));
  return std::min(width, kMostTick);
}

// All that one axis shows.
std::vector<double> Values(const Chart& chart, bool right) {
  std::vector<double> values;
  const Ruler x(chart.x, {}, 0, 1);
  for (const Series& series : chart.series) {
    if (series.right != right) continue;
    for (const Point& point : series.points) {
      if (!x.Has(point.x)) continue;
      values.push_back(point.y);
      if (point.low) values.push_back(*point.low);
      if (point.high) values.push_back(*point.high);
    }
  }
  for (const Rule& rule : chart.rules) {
    if (rule.right == right) values.push_back(rule.value);
  }
  return values;
}

std::vector<double> Xs(const Chart& chart) {
  std::vector<double> values;
  for (const Series& series : chart.series) {
    for (const Point& point : series.points) values.push_back(point.x);
  }
  return values;
}

std::vector<LegendEntry> LegendOf(const Chart& chart) {
  std::vector<LegendEntry> entries;
  for (const Series& s : chart.series) {
    if (s.name.empty()) continue;
    Mark mark = s.mark;
    mark.small = false;
    entries.push_back({s.name + (s.right ? " (right)" : ""), s.colour, mark, s.join, s.band});
  }
  return entries;
}

class Drawing {
 public:
  explicit Drawing(const Chart& chart);
  std::string Draw();

 private:
  struct Layout {
    std::vector<std::string> title, notes;
    double left = 0, right = 0, top = 0, bottom = 0, height = 0;
  };
  static Layout Measure(const Chart& chart, int lost);
  const Ruler& Vertical(bool right) const { return right ? right_ : left_; }
  bool Has(const Series& series, const Point& p) const {
    return x_.Has(p.x) && Vertical(series.right).Has(p.y);
  }
  double X(const Point& p) const { return x_.At(p.x); }
  double Y(const Series& series, double value) const { return Vertical(series.right).At(value); }

  void DrawTexts();
  void DrawAxes();
  void DrawBand(const Series& series);
  void DrawJoin(const Series& series);
  void DrawMarks(const Series& series);
  void DrawRule(const Rule& rule);

  const Chart& chart_;
  Axis right_axis_;
  int lost_;
  Layout at_;
  Ruler x_, left_, right_;
  Svg svg_;
};

// Points without a place on a logarithmic axis.
int CountLost(const Chart& chart) {
  int lost = 0;
  const Axis right = chart.right.value_or(chart.y);
  const Ruler x(chart.x, {}, 0, 1), y(chart.y, {}, 0, 1), other(right, {}, 0, 1);
  for (const Series& series : chart.series) {
    const Ruler& vertical = series.right ? other : y;
    for (const Point& p : series.points) {
      const bool gap = std::isnan(p.x) || std::isnan(p.y);  // was meant
      if (!gap && !(x.Has(p.x) && vertical.Has(p.y))) ++lost;
    }
  }
  return lost;
}

Drawing::Layout Drawing::Measure(const Chart& chart, int lost) {
  Layout at;
  const double inside = chart.width - 2 * kEdge;
  if (!chart.title.empty()) at.title = Wrapped(chart.title, inside, kTitleSize);
  if (!chart.note.empty()) at.notes = Wrapped(chart.note, inside, kNoteSize);
  if (lost > 0) {
    at.notes.push_back(std::to_string(lost) + (lost == 1 ? " point has" : " points have") +
                       " no place on these axes.");
  }
  const double titles = kEdge + (kLine + 3) * static_cast<double>(at.title.size());
  at.top = DrawLegend(LegendOf(chart), kEdge, chart.width - kEdge, titles + 4, nullptr) + 10;
  at.bottom = at.top + chart.plot_height;
  // Ticks do not depend on where the plot stands, so their width is known before it is placed.
  const auto ticks = [&](const Axis& axis, bool right) {
    const Ruler ruler(axis, Values(chart, right), at.bottom, at.top);
    return Widest(ruler.Ticks(kTickDistance));
  };
  at.left = kEdge + ticks(chart.y, false) + 10 + (chart.y.label.empty() ? 0 : 22);
  at.right = chart.width - kEdge - 12;
  if (chart.right) at.right = chart.width - kEdge - ticks(*chart.right, true) - 10 - 22;
  const double below = 26 + (chart.x.label.empty() ? 0 : 20);
  at.height = at.bottom + below + kEdge + 16 * static_cast<double>(at.notes.size());
  return at;
}

Drawing::Drawing(const Chart& chart)
    : chart_(chart),
      right_axis_(chart.right.value_or(chart.y)),
      lost_(CountLost(chart)),
      at_(Measure(chart, lost_)),
      x_(chart.x, Xs(chart), at_.left, at_.right),
      left_(chart.y, Values(chart, false), at_.bottom, at_.top),
      right_(right_axis_, Values(chart, true), at_.bottom, at_.top),
      svg_(chart.width, at_.height, chart.title, chart.note) {}

void Drawing::DrawTexts() {
  double y = kEdge + kTitleSize;
  for (const std::string& line : at_.title) {
    svg_.Text(kEdge, y, line, {Anchor::kStart, kTitleSize, true, false});
    y += kLine + 3;
  }
  const double titles = kEdge + (kLine + 3) * static_cast<double>(at_.title.size());
  DrawLegend(LegendOf(chart_), kEdge, chart_.width - kEdge, titles + 4, &svg_);
  y = at_.height - kEdge - 16 * static_cast<double>(at_.notes.size()) + 12;
  for (const std::string& line : at_.notes) {
    svg_.Text(kEdge, y, line, {Anchor::kStart, kNoteSize, false, false});
    y += 16;
  }
}

void Drawing::DrawAxes() {
  const double middle = (at_.top + at_.bottom) / 2;
  for (const Tick& tick : left_.Ticks(kTickDistance)) {
    const double y = left_.At(tick.value);
    svg_.Grid(at_.left, y, at_.right, y);
    svg_.Text(at_.left - 6, y + 4.5, Fitted(tick.label, kMostTick),
              {Anchor::kEnd, kTextSize, false, false});
  }
  const double room = 12 + Widest(x_.Ticks(20));
  for (const Tick& tick : x_.Ticks(room)) {
    const double x = x_.At(tick.value);
    svg_.Grid(x, at_.top, x, at_.bottom);
    svg_.Text(x, at_.bottom + 18, Fitted(tick.label, kMostTick),
              {Anchor::kMiddle, kTextSize, false, false});
  }
  const Stroke frame{1, "", 1};
  svg_.Path({{at_.left, at_.top}, {at_.left, at_.bottom}, {at_.right, at_.bottom}}, frame);
  const TextStyle upright{Anchor::kMiddle, kTextSize, false, true};
  if (!chart_.y.label.empty()) svg_.Text(kEdge + 12, middle, chart_.y.label, upright);
  if (!chart_.x.label.empty()) {
    svg_.Text((at_.left + at_.right) / 2, at_.bottom + 38, chart_.x.label,
              {Anchor::kMiddle, kTextSize, false, false});
  }
  if (!chart_.right) return;
  svg_.Line(at_.right, at_.top, at_.right, at_.bottom, frame);
  for (const Tick& tick : right_.Ticks(kTickDistance)) {
    if (tick.label.empty()) continue;
    const double y = right_.At(tick.value);
    svg_.Line(at_.right, y, at_.right + 4, y, frame);
    svg_.Text(at_.right + 8, y + 4.5, Fitted(tick.label, kMostTick));
  }
  svg_.Text(chart_.width - kEdge, middle, chart_.right->label, upright);
}

void Drawing::DrawBand(const Series& series) {
  Corners lower, upper;
  const auto flush = [&] {
    Corners area = upper;
    area.insert(area.end(), lower.rbegin(), lower.rend());
    if (upper.size() > 1) svg_.Area(area, 0.2);
    lower.clear();
    upper.clear();
  };
  const Ruler& vertical = Vertical(series.right);
  for (const Point& p : series.points) {
    if (!Has(series, p) || !p.low || !p.high || !vertical.Has(*p.low) || !vertical.Has(*p.high)) {
      flush();
      continue;
    }
    lower.push_back({X(p), Y(series, *p.low)});
    upper.push_back({X(p), Y(series, *p.high)});
  }
  flush();
}

void Drawing::DrawJoin(const Series& series) {
  Corners corners;
  const auto flush = [&] {
    if (corners.size() > 1) svg_.Path(corners, StrokeOf(series.join));
    corners.clear();
  };
  for (const Point& p : series.points) {
    if (Has(series, p)) {
      corners.push_back({X(p), Y(series, p.y)});
    } else {
      flush();
    }
  }
  flush();
}

void Drawing::DrawMarks(const Series& series) {
  const Ruler& vertical = Vertical(series.right);
  for (const Point& p : series.points) {
    if (!Has(series, p)) continue;
    if (!series.band && p.low && p.high && vertical.Has(*p.low) && vertical.Has(*p.high)) {
      const double x = X(p), low = Y(series, *p.low), high = Y(series, *p.high);
      svg_.Line(x, low, x, high, {1.5, "", 1});
      svg_.Line(x - 4, low, x + 4, low, {1.5, "", 1});
      svg_.Line(x - 4, high, x + 4, high, {1.5, "", 1});
    }
    svg_.Draw(series.mark, X(p), Y(series, p.y), p.hover);
  }
}

void Drawing::DrawRule(const Rule& rule) {
  const Ruler& vertical = Vertical(rule.right);
  if (!vertical.Has(rule.value)) return;
  const double y = vertical.At(rule.value);
  svg_.Line(at_.left, y, at_.right, y, {1.3, "10 3 2 3", 1});
  // At the side of its axis, above the line.
  const double width = TextWidth(rule.label, kNoteSize);
  const double x = rule.right ? at_.right - width - 6 : at_.left + 6;
  svg_.Paper(x - 2, y - 17, width + 4, 14);
  svg_.Text(x, y - 6, rule.label, {Anchor::kStart, kNoteSize, false, false});
}

std::string Drawing::Draw() {
  DrawTexts();
  DrawAxes();
  for (const Rule& rule : chart_.rules) DrawRule(rule);
  for (const Series& series : chart_.series) {
    if (!series.band) continue;
    svg_.BeginInk(series.colour);
    DrawBand(series);
    svg_.End();
  }
  for (const Series& series : chart_.series) {
    svg_.BeginInk(series.colour);
    if (series.join != Join::kNone) DrawJoin(series);
    DrawMarks(series);
    svg_.End();
  }
  return std::move(svg_).Finish();
}

}  // namespace

std::string ChartSvg(const Chart& chart) {
  if (chart.right) return Drawing(chart).Draw();
  Chart left = chart;  // without a right axis all belongs to the left one
  for (Series& series : left.series) series.right = false;
  for (Rule& rule : left.rules) rule.right = false;
  return Drawing(left).Draw();
}

}  // namespace stemma::report
