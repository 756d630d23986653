#include "tools/scale/series/samples.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numeric>

#include <nlohmann/json.hpp>

#include "models/train/metrics.h"
#include "tools/scale/statistics.h"

namespace stemma::scale {
namespace {

constexpr double kSettled = 0.10;  // a window this near the second half is steady
constexpr int64_t kStepsAsked = 200;
constexpr double kSecondsAsked = 60;

double Median(const std::vector<double>& values) { return QuantilesOf(values).p50; }

Status Broken(const std::string& path, const std::string& what) {
  return {Code::kCorruption, path + ": " + what};
}

Status Other(const std::string& path, const std::string& what) {
  return {Code::kIncompatible, path + ": " + what};
}

std::optional<double> NumberOf(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto at = object.find(key);
  if (at == object.end() || !at->is_number()) return {};
  const double value = at->get<double>();
  if (!std::isfinite(value)) return {};
  return value;
}

std::string TextOf(const nlohmann::json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::vector<double> NumbersOf(const nlohmann::json& object, const char* key) {
  std::vector<double> values;
  if (!object.is_object() || !object.contains(key) || !object[key].is_array()) return values;
  for (const nlohmann::json& one : object[key]) {
    if (one.is_number()) values.push_back(one.get<double>());
  }
  return values;
}

// The file's last line; the bench appends one object.
Result<nlohmann::json> LastObject(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status(Code::kNotFound, path + ": the child left with 0, but did not write it");
  std::string last;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) last = line;
  }
  nlohmann::json object = nlohmann::json::parse(last, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return Broken(path, "its last line is no JSON object");
  return object;
}

// "2 ranks on 1 host, backend ...": 1. 0 when the text is another.
int HostsOf(const std::string& world) {
  const size_t on = world.find(" on ");
  if (on == std::string::npos || world.find(" host", on) == std::string::npos) return 0;
  return std::atoi(world.c_str() + on + 4);
}

// What the table of a training's start says of its world; "" when it does not.
std::string WorldInLog(const std::string& path) {
  constexpr char kRow[] = "  world  ";
  std::ifstream in(path, std::ios::binary);
  for (std::string line; std::getline(in, line);) {
    const size_t row = line.find(kRow);
    const size_t ranks = row == std::string::npos ? row : line.find_first_of("0123456789", row);
    if (ranks != std::string::npos) return line.substr(ranks);
  }
  return "";
}

Status CheckSteps(const std::string& path, const PointSamples& samples, const Point& point) {
  if (samples.step_s.empty() ||
      (point.steps > 0 && static_cast<int64_t>(samples.step_s.size()) != point.steps)) {
    return Other(path, std::to_string(samples.step_s.size()) +
                           " steps after the warm-up, asked for " + std::to_string(point.steps));
  }
  const auto good = [](double s) { return std::isfinite(s) && s > 0; };
  if (!std::all_of(samples.step_s.begin(), samples.step_s.end(), good)) {
    return Broken(path, "a step's time is not above 0");
  }
  return {};
}

}  // namespace

Result<PointSamples> ReadBench(const std::string& path, const std::string& model,
                               const Point& point) {
  STEMMA_ASSIGN_OR_RETURN(const nlohmann::json object, LastObject(path));
  if (TextOf(object, "model") != model) {
    return Other(path, "a step of '" + TextOf(object, "model") + "' instead of " + model);
  }
  const auto ranks = NumberOf(object, "ranks"), batch = NumberOf(object, "batch");
  if (!ranks || *ranks != point.ranks) {
    return Other(path, "measured on " + std::to_string(static_cast<int>(ranks.value_or(0))) +
                           " ranks instead of " + std::to_string(point.ranks) +
                           ": the launcher did not start one world");
  }
  if (!batch || *batch != static_cast<double>(point.local_batch)) {
    return Other(path, "its batch is not " + std::to_string(point.local_batch));
  }
  const auto engine = object.find("engine");
  if (engine == object.end()) return Broken(path, "no loop of the engine in it");
  PointSamples samples;
  for (const double ms : NumbersOf(*engine, "iterations_ms")) samples.step_s.push_back(ms / 1e3);
  STEMMA_RETURN_IF_ERROR(CheckSteps(path, samples, point));
  if (const auto wait = NumberOf(*engine, "wait_ms")) samples.exposed_s = *wait / 1e3;
  const auto difference = object.find("Exposed communication");
  if (difference != object.end()) {
    const std::vector<double> ms = NumbersOf(*difference, "ms");
    if (!ms.empty()) samples.exposed_s = std::max(0.0, Median(ms) / 1e3);
  }
  samples.world = TextOf(object, "world");
  samples.hosts = HostsOf(samples.world);
  samples.input = model;
  if (const auto bytes = NumberOf(*engine, "gradient_bytes")) {
    samples.input += ", " + std::to_string(static_cast<int64_t>(*bytes)) + " bytes of gradients";
    samples.numbers["gradient_bytes"] = *bytes;
  }
  for (const char* key : {"peak_bytes", "threads"}) {
    if (const auto value = NumberOf(object, key)) samples.numbers[key] = *value;
  }
  return samples;
}

Result<PointSamples> ReadTraining(const std::string& run_folder, const Point& point) {
  const std::string metrics_path = run_folder + "/metrics.jsonl";
  STEMMA_ASSIGN_OR_RETURN(const auto steps, models::ReadMetrics(metrics_path));
  PointSamples samples;
  samples.world = WorldInLog(run_folder + "/inc-0001/logs/rank-0.log");
  samples.hosts = HostsOf(samples.world);
  std::map<std::string, std::vector<double>> seconds;
  for (const auto& [step, row] : steps) {
    const auto value = [&, &numbers = row](const char* key) {
      const auto at = numbers.find(key);
      return at == numbers.end() ? std::nan("") : at->second;
    };
    if (value("world") != point.ranks) {
      return Other(metrics_path, "step " + std::to_string(step) + " was not trained on " +
                                     std::to_string(point.ranks) +
                                     " ranks: the launcher did not start one world");
    }
    if (value("epoch") > 0) samples.dataset_samples = std::round(value("samples") / value("epoch"));
    if (step <= point.warmup) continue;
    const double total = value("step_s");
    samples.step_s.push_back(total);
    seconds["input_wait_s"].push_back(total * value("data_wait"));
    seconds["exposed_comm_s"].push_back(total * value("comm_wait"));
    seconds["straggler_s"].push_back(value("slowest_late_s"));
    seconds["forward_s"].push_back(value("forward_s"));
    seconds["backward_s"].push_back(value("backward_s"));
    seconds["optimizer_s"].push_back(value("optim_s"));
    seconds["capture_s"].push_back(value("capture_stall_s"));
  }
  STEMMA_RETURN_IF_ERROR(CheckSteps(metrics_path, samples, point));
  for (auto& [name, values] : seconds) {
    const bool known =
        std::none_of(values.begin(), values.end(), [](double v) { return std::isnan(v); });
    // Captures come now and then: their median would be 0.
    const bool rare = name == "capture_s";
    if (known) {
      samples.numbers[name] = rare ? std::accumulate(values.begin(), values.end(), 0.0) /
                                         static_cast<double>(values.size())
                                   : Median(values);
    }
  }
  const auto median = [&](const char* name) -> std::optional<double> {
    const auto at = samples.numbers.find(name);
    if (at == samples.numbers.end()) return {};
    return at->second;
  };
  samples.exposed_s = median("exposed_comm_s");
  samples.input_wait_s = median("input_wait_s");
  samples.straggler_s = median("straggler_s");
  if (samples.dataset_samples) {
    samples.input = std::to_string(static_cast<int64_t>(*samples.dataset_samples)) + " samples";
  }
  return samples;
}

size_t SteadyFrom(const std::vector<double>& step_s, bool* stable) {
  const size_t half = step_s.size() / 2;
  const size_t window = std::max<size_t>(1, std::min<size_t>(10, half / 5));
  const double late = Median({step_s.begin() + static_cast<std::ptrdiff_t>(half), step_s.end()});
  for (size_t from = 0;; from += window) {
    const size_t begin = std::min(from, half);
    const auto at = step_s.begin() + static_cast<std::ptrdiff_t>(begin);
    const double here =
        Median({at, at + static_cast<std::ptrdiff_t>(std::min(window, step_s.size() - begin))});
    *stable = std::fabs(here - late) <= kSettled * late;
    if (*stable || begin == half) return begin;
  }
}

RunRow RowOf(const Point& point, const std::string& mode, const PointSamples& samples) {
  RunRow row;
  row.mode = mode;
  row.nodes = samples.hosts > 0 ? samples.hosts : point.nodes;
  row.ranks = point.ranks;
  row.local_batch = point.local_batch;
  row.global_batch = point.global_batch;
  row.repeat = point.repeat;
  bool stable = true;
  const size_t from = SteadyFrom(samples.step_s, &stable);
  const std::vector<double> steady(samples.step_s.begin() + static_cast<std::ptrdiff_t>(from),
                                   samples.step_s.end());
  row.steps = static_cast<int64_t>(steady.size());
  const Quantiles q = QuantilesOf(steady);
  row.step_p10_s = q.p10;
  row.step_p50_s = q.p50;
  row.step_p90_s = q.p90;
  const double spent = std::accumulate(steady.begin(), steady.end(), 0.0);
  row.samples_per_s = static_cast<double>(point.global_batch * row.steps) / spent;
  const double all = std::accumulate(samples.step_s.begin(), samples.step_s.end(), 0.0);
  row.train_s = all;
  const auto trained =
      static_cast<double>(point.global_batch) * static_cast<double>(samples.step_s.size());
  // Only of a training that went through its data once: nothing is extrapolated to an epoch.
  if (samples.dataset_samples && trained >= *samples.dataset_samples) {
    row.epoch_s = all * *samples.dataset_samples / trained;
  }
  row.exposed_comm_s = samples.exposed_s;
  row.input_wait_s = samples.input_wait_s;
  row.straggler_s = samples.straggler_s;
  if (row.steps < kStepsAsked && spent < kSecondsAsked) row.flags.emplace_back("short");
  if (!stable) row.flags.emplace_back("unstable");
  return row;
}

}  // namespace stemma::scale
