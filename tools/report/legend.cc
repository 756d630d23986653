#include "tools/report/chart.h"

namespace stemma::report {
namespace {

constexpr double kSample = 26;  // what stands before a name
constexpr double kRow = 20;

void DrawSample(const LegendEntry& entry, double x, double y, Svg* svg) {
  svg->BeginInk(entry.colour);
  const double middle = x + kSample / 2;
  if (entry.area) {
    svg->Area({{x, y - 6}, {x + kSample, y - 6}, {x + kSample, y + 6}, {x, y + 6}},
              entry.join == Join::kNone ? 1 : 0.2);
  }
  if (entry.join != Join::kNone) svg->Line(x, y, x + kSample, y, StrokeOf(entry.join));
  svg->Draw(entry.mark, middle, y, "");
  svg->End();
}

}  // namespace

Stroke StrokeOf(Join join) {
  if (join == Join::kDashed) return {1.5, "7 4", 1};
  if (join == Join::kDotted) return {1.5, "2 3", 1};
  return {1.8, "", 1};
}

double DrawLegend(const std::vector<LegendEntry>& entries, double left, double right, double top,
                  Svg* svg) {
  double x = left, y = top;
  for (const LegendEntry& entry : entries) {
    if (entry.name.empty()) continue;
    const std::string name = Fitted(entry.name, right - left - kSample - 8);
    const double width = kSample + 8 + TextWidth(name);
    if (x > left && x + width > right) x = left, y += kRow;
    if (svg != nullptr) {
      DrawSample(entry, x, y + kRow / 2, svg);
      svg->Text(x + kSample + 6, y + kRow / 2 + 4.5, name);
    }
    x += width + 14;
  }
  return x > left ? y + kRow : y;
}

}  // namespace stemma::report
