#include "tools/scale/series/curve.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "tools/scale/series/child.h"
#include "tools/scale/series/files.h"

namespace stemma::scale {
namespace {

std::vector<std::string> FieldsOf(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream in(line);
  for (std::string field; std::getline(in, field, ',');) fields.push_back(field);
  return fields;
}

}  // namespace

double Curve::Seconds(double bytes) const {
  if (bytes <= points_.front().first) return points_.front().second;
  if (bytes >= points_.back().first) {
    return points_.back().second * bytes / points_.back().first;
  }
  const auto above = std::lower_bound(points_.begin(), points_.end(), std::make_pair(bytes, 0.0));
  const auto below = above - 1;
  const double part = std::log(bytes / below->first) / std::log(above->first / below->first);
  return below->second * std::pow(above->second / below->second, part);
}

std::string CurvePath(const std::string& folder, int ranks) {
  return folder + "/all_reduce-r" + std::to_string(ranks) + ".csv";
}

Result<Curve> ReadCurve(const std::string& path) {
  Result<std::string> text = ReadFile(path);
  if (!text.ok()) {
    return Status(text.status().code(),
                  path + ": cannot be read; `stemma scale run ... --curve` measures it");
  }
  std::istringstream in(*text);
  std::string line;
  std::getline(in, line);
  if (line.rfind("op,bytes,calls,median_us,", 0) != 0) {
    return Status(Code::kCorruption, path + ":1: not what `stemma bench comm --csv` writes");
  }
  std::vector<std::pair<double, double>> points;
  for (int number = 2; std::getline(in, line); ++number) {
    const std::vector<std::string> fields = FieldsOf(line);
    if (fields.empty() || fields[0] != "all_reduce") continue;
    const double bytes = fields.size() > 3 ? std::strtod(fields[1].c_str(), nullptr) : 0;
    const double micros = fields.size() > 3 ? std::strtod(fields[3].c_str(), nullptr) : 0;
    if (!(bytes > 0) || !(micros > 0) || !std::isfinite(bytes) || !std::isfinite(micros)) {
      return Status(Code::kCorruption,
                    path + ":" + std::to_string(number) + ": bytes and median_us are above 0");
    }
    points.emplace_back(bytes, micros / 1e6);
  }
  if (points.empty()) return Status(Code::kCorruption, path + ": no line of all_reduce");
  std::sort(points.begin(), points.end());
  return Curve(std::move(points));
}

Status MeasureCurves(const Series& series, const std::function<void(const std::string&)>& tell) {
  SeriesShape one = series.shape;
  one.repeats = 1;
  STEMMA_ASSIGN_OR_RETURN(const std::vector<Point> points, PointsOf(one));
  for (const Point& point : points) {
    const std::string path = CurvePath(series.folder, point.ranks);
    std::error_code error;
    if (point.ranks == 1 || std::filesystem::exists(path, error)) continue;
    std::vector<std::string> words =
        LaunchWords(series.launcher, series.machine, point, series.threads);
    const std::string part = path + ".part";
    for (const std::string& word : {series.program, std::string("bench"), std::string("comm"),
                                    std::string("--ops=all_reduce"), "--csv=" + part}) {
      words.push_back(word);
    }
    tell(CommandLine(words));
    const ChildEnd child = RunChild(words, path + ".log", series.limit_s);
    STEMMA_RETURN_IF_ERROR(child.status);
    std::filesystem::rename(part, path, error);
    if (error) return {Code::kIo, part + ": " + error.message()};
  }
  return {};
}

}  // namespace stemma::scale
