#include "tools/report/parallel.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "tools/report/svg.h"

namespace stemma::report {
namespace {

constexpr double kEdge = 12;
constexpr double kTitleSize = 16;
constexpr double kSmall = 12;
constexpr double kLine = 16;

class Drawing {
 public:
  explicit Drawing(const Parallel& parallel);
  std::string Draw();

 private:
  double X(size_t axis) const;
  // Room for the labels of one axis: up to the next one, or to the border.
  double Room() const;
  void DrawAxis(size_t i);
  void DrawPath(const ParallelPath& path);
  std::string HoverOf(const ParallelPath& path) const;

  const Parallel& parallel_;
  std::vector<std::string> titles_, notes_;
  double top_, bottom_;
  std::vector<Ruler> rulers_;
  Svg svg_;
};

std::vector<std::string> LinesOf(const std::string& text, double width, double size) {
  return text.empty() ? std::vector<std::string>() : Wrapped(text, width, size);
}

double TopOf(const Parallel& parallel) {
  const size_t lines = LinesOf(parallel.title, parallel.width - 2 * kEdge, kTitleSize).size();
  return kEdge + 21 * static_cast<double>(lines) + 34;
}

double HeightOf(const Parallel& parallel) {
  const size_t lines = LinesOf(parallel.note, parallel.width - 2 * kEdge, kSmall).size();
  return TopOf(parallel) + parallel.plot_height + 16 + kLine * static_cast<double>(lines) + kEdge;
}

Drawing::Drawing(const Parallel& parallel)
    : parallel_(parallel),
      titles_(LinesOf(parallel.title, parallel.width - 2 * kEdge, kTitleSize)),
      notes_(LinesOf(parallel.note, parallel.width - 2 * kEdge, kSmall)),
      top_(TopOf(parallel)),
      bottom_(top_ + parallel.plot_height),
      svg_(parallel.width, HeightOf(parallel), parallel.title, parallel.note) {
  for (size_t i = 0; i < parallel.axes.size(); ++i) {
    std::vector<double> values;
    for (const ParallelPath& path : parallel.paths) {
      if (i < path.values.size()) values.push_back(path.values[i]);
    }
    rulers_.emplace_back(parallel.axes[i], values, bottom_, top_);
  }
}

double Drawing::Room() const {
  const auto axes = static_cast<double>(std::max<size_t>(1, parallel_.axes.size()));
  return (parallel_.width - 2 * kEdge) / axes;
}

double Drawing::X(size_t axis) const { return kEdge + 14 + Room() * static_cast<double>(axis); }

void Drawing::DrawAxis(size_t i) {
  const double x = X(i), room = Room() - 22;
  svg_.Line(x, top_, x, bottom_, {1, "", 1});
  svg_.Text(x - 8, top_ - 14, Fitted(parallel_.axes[i].label, Room() - 8),
            {Anchor::kStart, kTextSize, true, false});
  for (const Tick& tick : rulers_[i].Ticks(30)) {
    if (tick.label.empty()) continue;
    const double y = rulers_[i].At(tick.value);
    const std::string text = Fitted(tick.label, room, kSmall);
    svg_.Line(x - 4, y, x, y, {1, "", 1});
    svg_.Paper(x + 5, y - 8, TextWidth(text, kSmall) + 2, 15);
    svg_.Text(x + 7, y + 4, text, {Anchor::kStart, kSmall, false, false});
  }
}

std::string Drawing::HoverOf(const ParallelPath& path) const {
  std::string text = path.name + ":";
  for (size_t i = 0; i < path.values.size() && i < parallel_.axes.size(); ++i) {
    const Axis& axis = parallel_.axes[i];
    const double value = path.values[i];
    const bool is_word = !axis.words.empty() && rulers_[i].Has(value);
    text += (i > 0 ? ", " : " ") + axis.label + " " +
            (is_word ? axis.words[static_cast<size_t>(value)] : Label(value));
  }
  return text;
}

void Drawing::DrawPath(const ParallelPath& path) {
  Corners corners;
  const auto flush = [&] {
    const Stroke stroke = path.highlighted ? Stroke{3, "", 1} : Stroke{1.2, "", 0.6};
    if (corners.size() > 1) svg_.Path(corners, stroke);
    corners.clear();
  };
  svg_.BeginInk(path.highlighted ? 1 : 0);
  const Mark mark{path.highlighted ? Shape::kSquare : Shape::kDisc, false};
  const std::string hover = HoverOf(path);
  for (size_t i = 0; i < rulers_.size(); ++i) {
    if (i >= path.values.size() || !rulers_[i].Has(path.values[i])) {
      flush();
      continue;
    }
    corners.push_back({X(i), rulers_[i].At(path.values[i])});
  }
  flush();
  for (size_t i = 0; i < rulers_.size() && i < path.values.size(); ++i) {
    if (!rulers_[i].Has(path.values[i])) continue;
    svg_.Draw(mark, X(i), rulers_[i].At(path.values[i]), hover);
  }
  svg_.End();
}

std::string Drawing::Draw() {
  double y = kEdge + kTitleSize;
  for (const std::string& line : titles_) {
    svg_.Text(kEdge, y, line, {Anchor::kStart, kTitleSize, true, false});
    y += 21;
  }
  for (const bool highlighted : {false, true}) {
    for (const ParallelPath& path : parallel_.paths) {
      if (path.highlighted == highlighted) DrawPath(path);
    }
    // Labels lie above the many lines and below the one that matters.
    if (highlighted) continue;
    for (size_t i = 0; i < parallel_.axes.size(); ++i) DrawAxis(i);
  }
  y = bottom_ + 16 + kSmall;
  for (const std::string& line : notes_) {
    svg_.Text(kEdge, y, line, {Anchor::kStart, kSmall, false, false});
    y += kLine;
  }
  return std::move(svg_).Finish();
}

}  // namespace

std::string ParallelSvg(const Parallel& parallel) { return Drawing(parallel).Draw(); }

}  // namespace stemma::report
