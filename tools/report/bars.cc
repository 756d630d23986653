#include "tools/report/bars.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tools/report/chart.h"
#include "tools/report/svg.h"

namespace stemma::report {
namespace {

constexpr double kEdge = 12;
constexpr double kTitleSize = 16;
constexpr double kNoteSize = 12;
constexpr double kBar = 20, kRow = 30;

double Known(double value) { return std::isfinite(value) && value > 0 ? value : 0; }

std::vector<LegendEntry> LegendOf(const Bars& bars) {
  std::vector<LegendEntry> entries;
  for (size_t i = 0; i < bars.parts.size(); ++i) {
    entries.push_back({bars.parts[i], static_cast<int>(i), {}, Join::kNone, true});
  }
  return entries;
}

void DrawBar(const Bars& bars, const BarRow& row, double left, double right, double y, Svg* svg) {
  double sum = 0;
  for (const double value : row.values) sum += Known(value);
  if (!(sum > 0) || !std::isfinite(sum)) return svg->Text(left + 4, y + 15, "not known");
  double x = left;
  for (size_t i = 0; i < row.values.size() && i < bars.parts.size(); ++i) {
    const double share = Known(row.values[i]) / sum;
    if (share <= 0) continue;
    const double width = share * (right - left);
    char percent[16];
    std::snprintf(percent, sizeof(percent), share < 0.0995 ? "%.1f %%" : "%.0f %%", 100 * share);
    svg->BeginInk(static_cast<int>(i));
    svg->Box(x, y, width, kBar, row.label + ", " + bars.parts[i] + ": " + percent);
    svg->End();
    if (TextWidth(percent, kNoteSize) + 8 <= width) {
      // White letters on a strong colour, dark ones on a dark screen's light colours: as paper.
      svg->PaperText(x + width / 2, y + 14.5, percent, kNoteSize);
    }
    x += width;
  }
}

}  // namespace

std::string BarsSvg(const Bars& bars) {
  const double inside = bars.width - 2 * kEdge;
  const auto titles =
      bars.title.empty() ? std::vector<std::string>() : Wrapped(bars.title, inside, kTitleSize);
  const auto notes =
      bars.note.empty() ? std::vector<std::string>() : Wrapped(bars.note, inside, kNoteSize);
  const double legend = kEdge + 21 * static_cast<double>(titles.size()) + 4;
  const double top = DrawLegend(LegendOf(bars), kEdge, bars.width - kEdge, legend, nullptr) + 10;
  const double bottom = top + kRow * static_cast<double>(bars.rows.size());
  Svg svg(bars.width, bottom + 16 * static_cast<double>(notes.size()) + kEdge, bars.title,
          bars.note);
  double y = kEdge + kTitleSize;
  for (const std::string& line : titles) {
    svg.Text(kEdge, y, line, {Anchor::kStart, kTitleSize, true, false});
    y += 21;
  }
  DrawLegend(LegendOf(bars), kEdge, bars.width - kEdge, legend, &svg);
  double labels = 0, remarks = 0;
  for (const BarRow& row : bars.rows) {
    labels = std::max(labels, TextWidth(row.label));
    remarks = std::max(remarks, TextWidth(row.remark));
  }
  labels = std::min(labels, 0.3 * inside);
  remarks = std::min(remarks, 0.3 * inside);
  const double left = kEdge + labels + 8, right = bars.width - kEdge - remarks - 8;
  y = top;
  for (const BarRow& row : bars.rows) {
    svg.Text(left - 8, y + 15, Fitted(row.label, labels), {Anchor::kEnd, kTextSize, false, false});
    DrawBar(bars, row, left, right, y, &svg);
    svg.Text(right + 8, y + 15, Fitted(row.remark, remarks));
    y += kRow;
  }
  for (const std::string& line : notes) {
    svg.Text(kEdge, y + 12, line, {Anchor::kStart, kNoteSize, false, false});
    y += 16;
  }
  return std::move(svg).Finish();
}

}  // namespace stemma::report
