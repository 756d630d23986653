#include "tools/scale/calibration.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <vector>

#include <nlohmann/json.hpp>

#include "tools/scale/statistics.h"

namespace stemma::scale {
namespace {

struct Line {
  double batch = 0, step_ms = 0, p95_ms = 0;
  std::string where;
};

Status Refuse(const std::string& place, const std::string& what) {
  return {Code::kInvalidArgument, place + ": " + what};
}

bool Positive(const nlohmann::json& object, const char* key, double* value) {
  const auto at = object.find(key);
  if (at == object.end() || !at->is_number()) return false;
  *value = at->get<double>();
  return std::isfinite(*value) && *value > 0;
}

std::string TextOf(const nlohmann::json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

Status ReadLine(const std::string& text, const std::string& place, const std::string& model,
                Line* line) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Refuse(place, "not a JSON object");
  const std::string measured = TextOf(json, "model");
  if (measured != model) {
    return Refuse(place, "a step of '" + measured + "', but the prediction is of " + model);
  }
  double ranks = 0;
  if (!Positive(json, "batch", &line->batch) || !Positive(json, "ranks", &ranks)) {
    return Refuse(place, "'batch' and 'ranks' must be numbers above 0");
  }
  auto loop = json.find("no-comm");
  if (loop == json.end() && ranks == 1) loop = json.find("engine");
  if (loop == json.end()) {
    return Refuse(place, "no loop without communication: measure one rank, or add --no-comm");
  }
  if (!loop->is_object() || !Positive(*loop, "step_ms", &line->step_ms) ||
      !Positive(*loop, "step_p95_ms", &line->p95_ms)) {
    return Refuse(place, "the loop's 'step_ms' and 'step_p95_ms' must be numbers above 0");
  }
  line->where = TextOf(json, "shape");
  return {};
}

// The 95th percentile lies 1.645 deviations of a normal above its median, and ln 10 means of an
// exponential.
constexpr double kNormalP95 = 1.644854, kExponentialP95 = 2.302585;

Constant Measured(double value, double low, double high, const std::string& source) {
  return {value, std::min(low, value), std::max(high, value), Provenance::kMeasured, source};
}

Calibration Fit(const std::vector<Line>& lines, const std::string& name, const std::string& model) {
  std::vector<std::vector<double>> rows;
  std::vector<double> target, spreads;
  std::set<double> batches;
  for (const Line& line : lines) {
    batches.insert(line.batch);
    rows.push_back({1 / line.step_ms, line.batch / line.step_ms});
    target.push_back(1);
    spreads.push_back(std::max(0.0, line.p95_ms / line.step_ms - 1));
  }
  const bool several = batches.size() > 1;
  for (std::vector<double>& row : rows) row[0] *= several ? 1 : 0;
  const std::vector<double> x = NonNegativeLeastSquares(rows, target);
  const auto [least, most] = std::minmax_element(spreads.begin(), spreads.end());
  const double spread = QuantilesOf(spreads).p50;
  const std::string source =
      name + ": " + lines.front().where + ", " + std::to_string(batches.size()) + " batch sizes";
  Calibration c;
  c.times.model = model;
  c.times.fixed_ms =
      Measured(x[0], x[0], x[0], several ? source : source + ": no fixed part can be told");
  c.times.per_sample_ms = Measured(x[1], 0.97 * x[1], 1.03 * x[1], source);
  c.jitter_normal = Measured(spread / kNormalP95, *least / kNormalP95, *most / kNormalP95, source);
  c.jitter_exponential =
      Measured(spread / kExponentialP95, *least / kExponentialP95, *most / kExponentialP95, source);
  return c;
}

}  // namespace

Result<Calibration> ParseCalibration(const std::string& text, const std::string& name,
                                     const std::string& model) {
  std::istringstream in(text);
  std::vector<Line> lines;
  int number = 0;
  for (std::string one; std::getline(in, one);) {
    ++number;
    if (one.find_first_not_of(" \t\r") == std::string::npos) continue;
    Line line;
    STEMMA_RETURN_IF_ERROR(ReadLine(one, name + ":" + std::to_string(number), model, &line));
    lines.push_back(line);
  }
  if (lines.empty()) {
    return Refuse(name, "empty; `stemma bench train " + model + " --json=FILE` writes its lines");
  }
  return Fit(lines, name, model);
}

Result<Calibration> ReadCalibration(const std::string& path, const std::string& model) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return Status(Code::kNotFound, "--calib " + path + ": cannot be read; `stemma bench train " +
                                       model + " --json=" + path + "` writes it");
  }
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  return ParseCalibration(text, path, model);
}

System WithCalibration(System system, const Calibration& calibration) {
  const Constant none{0, 0, 0, Provenance::kAssumed, "not measured"};
  ModelTimes times = calibration.times;
  const ModelTimes* known = system.TimesOf(times.model);
  times.validation_s = known != nullptr ? known->validation_s : none;
  times.epoch_s = known != nullptr ? known->epoch_s : none;
  std::vector<ModelTimes> others;
  for (ModelTimes& one : system.times) {
    if (one.model != times.model) others.push_back(one);
  }
  others.push_back(times);
  system.times = others;
  system.jitter_normal = calibration.jitter_normal;
  system.jitter_exponential = calibration.jitter_exponential;
  return system;
}

}  // namespace stemma::scale
