#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tools/galaxies/score.h"
#include "tools/report/chart.h"

namespace stemma::galaxies {
namespace {

constexpr int kRounds = 60;
constexpr size_t kManyMarks = 100;  // from there on marks are small

std::string Percent(const Score& score) {
  char text[96];
  std::snprintf(text, sizeof text, "%.2f %%, %lld of %lld", 100 * score.accuracy(),
                static_cast<long long>(score.right), static_cast<long long>(score.galaxies));
  return text;
}

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Takes off what lies along `other` (may be null) and makes it of length 1, or leaves zeros.
void Straighten(const std::vector<double>* other, std::vector<double>* axis) {
  if (other != nullptr) {
    const double along = Dot(*other, *axis);
    for (size_t i = 0; i < axis->size(); ++i) (*axis)[i] -= along * (*other)[i];
  }
  const double length = std::sqrt(Dot(*axis, *axis));
  for (double& value : *axis) value = length > 1e-150 ? value / length : 0;
}

class Rows {
 public:
  Rows(const std::vector<float>& values, size_t columns) : columns_(columns) {
    const size_t rows = values.size() / columns;
    std::vector<double> mean(columns, 0);
    for (size_t i = 0; i < values.size(); ++i) mean[i % columns] += values[i];
    centred_.resize(rows * columns);
    for (size_t i = 0; i < centred_.size(); ++i) {
      centred_[i] = values[i] - mean[i % columns] / static_cast<double>(rows);
      variance_ += centred_[i] * centred_[i];
    }
  }
  std::vector<double> Along(const std::vector<double>& axis) const {
    std::vector<double> places(centred_.size() / columns_, 0);
    for (size_t i = 0; i < places.size(); ++i) {
      for (size_t k = 0; k < columns_; ++k) places[i] += centred_[i * columns_ + k] * axis[k];
    }
    return places;
  }
  // The covariance, not divided by the rows, times the axis.
  std::vector<double> Stretched(const std::vector<double>& axis) const {
    const std::vector<double> places = Along(axis);
    std::vector<double> sum(columns_, 0);
    for (size_t i = 0; i < places.size(); ++i) {
      for (size_t k = 0; k < columns_; ++k) sum[k] += places[i] * centred_[i * columns_ + k];
    }
    return sum;
  }
  double variance() const { return variance_; }

 private:
  const size_t columns_;
  std::vector<double> centred_;
  double variance_ = 0;
};

}  // namespace

Plane PrincipalPlane(const std::vector<float>& values, size_t columns) {
  const Rows rows(values, columns);
  std::array<std::vector<double>, 2> axes;
  for (size_t a = 0; a < 2; ++a) {
    axes[a].resize(columns);
    for (size_t k = 0; k < columns; ++k) {
      axes[a][k] = 1 + static_cast<double>((7 * k + 3 * a * k) % 11);
    }
  }
  for (int round = 0; round < kRounds; ++round) {
    for (std::vector<double>& axis : axes) axis = rows.Stretched(axis);
    Straighten(nullptr, &axes[0]);
    Straighten(&axes[0], &axes[1]);
  }
  Plane plane;
  for (size_t a = 0; a < 2; ++a) {
    const std::vector<double> places = rows.Along(axes[a]);
    if (plane.points.empty()) plane.points.resize(places.size());
    for (size_t i = 0; i < places.size(); ++i) plane.points[i][a] = places[i];
    if (rows.variance() > 0) plane.share[a] = Dot(places, places) / rows.variance();
  }
  return plane;
}

namespace {

// How the galaxies of one kind of a set are marked: labelled ellipticals and spirals, and those
// that were only called so.
std::vector<report::Series> KindsOf(const std::string& set, size_t galaxies, size_t colours) {
  std::vector<report::Series> kinds(4);
  for (size_t kind = 0; kind < kinds.size(); ++kind) {
    const bool elliptical = kind % 2 == 0, labelled = kind < 2;
    kinds[kind].name =
        set + (labelled ? ", " : ", called ") + (elliptical ? "elliptical" : "spiral");
    kinds[kind].colour = static_cast<int>(colours + kind);
    kinds[kind].mark = {elliptical ? report::Shape::kDisc : report::Shape::kCross, elliptical,
                        galaxies > kManyMarks};
  }
  return kinds;
}

}  // namespace

std::string PlaneSvg(const Plane& plane, const Sets<std::vector<Answer>>& sets,
                     const std::string& note) {
  report::Chart chart;
  chart.title = "Features of galaxies, principal components";
  char shares[96];
  std::snprintf(shares, sizeof shares, "The axes have %.1f %% and %.1f %% of the variance.",
                100 * plane.share[0], 100 * plane.share[1]);
  chart.note = note + " " + shares;
  chart.x.label = "first component";
  chart.y.label = "second component";
  size_t row = 0;
  for (const auto& [name, answers] : sets) {
    std::vector<report::Series> kinds = KindsOf(name, answers.size(), chart.series.size());
    for (const Answer& answer : answers) {
      if (row >= plane.points.size()) break;
      report::Point point;
      point.x = plane.points[row][0];
      point.y = plane.points[row++][1];
      point.hover = "object " + std::to_string(answer.object);
      const int kind = answer.truth >= 0 ? answer.truth : 2 + ClassOf(answer.spiral);
      kinds[static_cast<size_t>(kind)].points.push_back(point);
    }
    for (report::Series& series : kinds) {
      if (!series.points.empty()) chart.series.push_back(std::move(series));
    }
  }
  return report::SvgFile(report::ChartSvg(chart));
}

std::string ScoresSvg(const Sets<std::vector<Score>>& sets, const std::string& group) {
  report::Chart chart;
  const bool signal = group == "S/N";
  chart.title = "Accuracy against " + std::string(signal ? "signal to noise" : "inclination");
  chart.note = kSimulatedNote;
  chart.x.label = signal ? "signal to noise" : "inclination of spirals, degrees; 90 is edge-on";
  if (signal) chart.x.scale = report::Scale::kLog;
  chart.y.label = "accuracy, %";
  int colour = 0;
  for (const auto& [name, scores] : sets) {
    report::Series series;
    series.name = name;
    series.colour = colour++;
    series.mark = {colour == 1 ? report::Shape::kDisc : report::Shape::kSquare, false};
    series.join = report::Join::kSolid;
    for (const Score& score : scores) {
      if (score.group != group) continue;
      report::Point point;
      // The middle of the bin; of an S/N's by ratio, and its first and last are open.
      const double low = std::max(score.from, 50.), high = std::min(score.to, 3200.);
      point.x = signal ? std::sqrt(low * high) : (score.from + score.to) / 2;
      point.y = 100 * score.accuracy();
      point.hover = Percent(score);
      series.points.push_back(point);
    }
    chart.series.push_back(std::move(series));
  }
  return report::SvgFile(report::ChartSvg(chart));
}

}  // namespace stemma::galaxies
