#include "tools/scale/series/own.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>

#include <nlohmann/json.hpp>

#include "core/random.h"
#include "tools/scale/run_verdict.h"
#include "tools/scale/series/contention.h"
#include "tools/scale/series/files.h"
#include "tools/scale/series/samples.h"
#include "tools/scale/statistics.h"

namespace stemma::scale {
namespace {

constexpr int kDraws = 2000;

Status Refuse(const std::string& what) { return {Code::kInvalidArgument, what}; }

struct Setting {
  std::string model, mode, system;
  int threads = 1, cores = 1;
};

// Of series.json, which the series wrote.
Result<Setting> ReadSetting(const std::string& folder) {
  const std::string path = folder + "/series.json";
  Result<std::string> text = ReadFile(path);
  if (!text.ok()) {
    return Status(text.status().code(),
                  path +
                      ": no series is there; measure one with `stemma scale run --model=aides "
                      "--mode=weak --batch=4 --ranks=1,2 --curve --out=" +
                      folder + "`");
  }
  const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  std::map<std::string, std::string> values;
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) {
      if (value.is_string()) values[key] = value.get<std::string>();
    }
  }
  Setting setting;
  constexpr char kBench[] = "bench ";
  const std::string& workload = values["workload"];
  if (workload.rfind(kBench, 0) != 0) {
    return Refuse(folder +
                  ": a series of a recipe; its buckets are not known from shapes alone. "
                  "Measure one with --model");
  }
  setting.model = workload.substr(sizeof kBench - 1);
  setting.mode = values["mode"];
  setting.system = values["system"];
  setting.threads = std::max(1, std::atoi(values["threads"].c_str()));
  setting.cores = std::max(1, std::atoi(values["cores"].c_str()));
  if (setting.mode == "strong") {
    return Refuse(folder +
                  ": a series of mode strong, in which one rank has another batch than "
                  "each of two: its step says nothing of theirs. Measure --mode=weak");
  }
  return setting;
}

// Steady steps of all repeats on one rank.
Result<std::vector<double>> OneRankSteps(const std::string& folder, const Setting& setting,
                                         const Workload& workload,
                                         const std::vector<RunRow>& rows) {
  std::vector<double> steps;
  for (const RunRow& row : rows) {
    if (row.ranks != 1) continue;
    Point point;
    point.ranks = 1;
    point.repeat = row.repeat;
    point.local_batch = point.global_batch = row.local_batch;
    const std::string path = folder + "/points/" + NameOf(point) + "/bench.json";
    point.steps = 0;  // as many as there are
    STEMMA_ASSIGN_OR_RETURN(const PointSamples samples, ReadBench(path, setting.model, point));
    const auto bytes = samples.numbers.find("gradient_bytes");
    if (bytes == samples.numbers.end() || bytes->second != 4 * workload.parameters) {
      return Refuse(path + ": its gradients are not those of the engine's plan of " +
                    setting.model + "; a plan from shapes alone does not describe it");
    }
    bool stable = true;
    const size_t from = SteadyFrom(samples.step_s, &stable);
    steps.insert(steps.end(), samples.step_s.begin() + static_cast<std::ptrdiff_t>(from),
                 samples.step_s.end());
  }
  if (steps.empty()) {
    return Status(Code::kNotFound, folder +
                                       ": no run on one rank, from which the others would be "
                                       "predicted: --ranks=1,2");
  }
  return steps;
}

// What the predictions take the ranks of a node to slow each other by, and where that is from.
std::string ContentionText(const OwnValidation& v) {
  std::map<int, std::optional<double>> said;
  for (const OwnRow& row : v.rows) said[row.together] = row.contention;
  std::string text;
  for (const auto& [together, factor] : said) {
    const std::string several = std::to_string(together) + " trainings side by side";
    char times[40] = "";
    if (factor) std::snprintf(times, sizeof times, "%.2f", *factor);
    if (together > 1 && factor) {
      text += "measured: " + several + " without communication, a step takes " + times +
              " times that of one alone\n";
    } else if (!factor) {
      text += "not measured: " + several +
              "; computing is taken to be as fast as alone. `stemma scale run ... --curve` "
              "measures it, under mpirun and on CPUs\n";
    }
  }
  return text;
}

}  // namespace

double PredictStep(const std::vector<double>& one_rank_s, const Workload& workload,
                   const Curve& curve, int ranks, double slower, bool spare, uint64_t seed) {
  std::vector<double> calls;
  for (const Bucket& bucket : workload.buckets) calls.push_back(curve.Seconds(bucket.bytes));
  Random draw(Key({seed, static_cast<uint64_t>(ranks)}), "own steps");
  std::vector<double> steps;
  for (int i = 0; i < kDraws; ++i) {
    double slowest = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      slowest = std::max(slowest, slower * one_rank_s[draw.Below(one_rank_s.size())]);
    }
    double end = 0;
    for (size_t k = 0; k < calls.size(); ++k) {
      const double backward = slowest * (1 - workload.forward_share);
      const double ready = slowest * workload.forward_share + backward * workload.buckets[k].ready;
      end = spare ? std::max(end, ready) + calls[k] : end + calls[k];
    }
    steps.push_back(spare ? std::max(slowest, end) : slowest + end);
  }
  return QuantilesOf(steps).p50;
}

Result<OwnValidation> ValidateOwn(const std::string& folder, uint64_t seed) {
  STEMMA_ASSIGN_OR_RETURN(const Setting setting, ReadSetting(folder));
  STEMMA_ASSIGN_OR_RETURN(const std::vector<RunRow> rows, ReadRunTable(folder + "/scale.csv"));
  Result<Workload> workload = MakeWorkload(setting.model, {});
  if (!workload.ok()) return Refuse("--own: " + workload.status().message());
  STEMMA_ASSIGN_OR_RETURN(const std::vector<double> one,
                          OneRankSteps(folder, setting, *workload, rows));
  STEMMA_ASSIGN_OR_RETURN(const Contention contention, ReadContention(folder));
  OwnValidation v;
  v.model = setting.model;
  v.mode = setting.mode;
  v.system = setting.system;
  for (const RunSummary& count : SummariesOf(rows)) {
    if (count.ranks == 1 || !count.step_p50_s) continue;
    STEMMA_ASSIGN_OR_RETURN(const Curve curve, ReadCurve(CurvePath(folder, count.ranks)));
    const int on_node = count.ranks / std::max(1, count.nodes);
    const double wanted = static_cast<double>(on_node) * setting.threads;
    OwnRow row;
    row.ranks = count.ranks;
    row.measured_s = *count.step_p50_s;
    row.oversubscribed = count.Has("oversubscribed");
    const bool spare = static_cast<double>(on_node) * (setting.threads + 1) <= setting.cores;
    row.together = TrainingsAtOnce(count.ranks, count.nodes, setting.threads, setting.cores);
    row.contention = contention.FactorOf(row.together);
    const double slower = row.contention.value_or(1) * std::max(1.0, wanted / setting.cores);
    row.predicted_s = PredictStep(one, *workload, curve, count.ranks, slower, spare, seed);
    if (!row.oversubscribed) {
      v.worst = std::max(v.worst, std::fabs(row.Error()));
      v.decided = true;
    }
    v.rows.push_back(row);
  }
  if (v.rows.empty()) {
    return Status(Code::kNotFound, folder + ": no run on several ranks that could be predicted");
  }
  return v;
}

std::string OwnText(const OwnValidation& v) {
  std::string text = v.model + " on " + v.system + ", mode " + v.mode +
                     ": from the step on one rank, the measured all-reduce and trainings side by "
                     "side, nothing fitted\n" +
                     ContentionText(v);
  for (const OwnRow& row : v.rows) {
    char line[160];
    std::snprintf(line, sizeof line,
                  "%4d ranks  measured %.3f ms  predicted %.3f ms  error %+.1f %%%s\n", row.ranks,
                  1e3 * row.measured_s, 1e3 * row.predicted_s, row.Error(),
                  row.oversubscribed ? "  oversubscribed: not in the target" : "");
    text += line;
  }
  char line[120];
  std::snprintf(line, sizeof line, "worst %.1f %%, target at most %.0f %%: %s\n", v.worst,
                kOwnErrorAsked, v.worst <= kOwnErrorAsked ? "met" : "missed");
  return text + (v.decided ? line : "no count without oversubscription: nothing is decided\n");
}

std::string OwnJson(const OwnValidation& v) {
  nlohmann::ordered_json json = {{"model", v.model},
                                 {"mode", v.mode},
                                 {"system", v.system},
                                 {"worst", nullptr},
                                 {"limit", kOwnErrorAsked}};
  if (v.decided) json["worst"] = v.worst;
  for (const OwnRow& row : v.rows) {
    json["rows"].push_back({{"ranks", row.ranks},
                            {"measured_s", row.measured_s},
                            {"predicted_s", row.predicted_s},
                            {"error_percent", row.Error()},
                            {"oversubscribed", row.oversubscribed},
                            {"side_by_side", row.together},
                            {"contention", nullptr}});
    if (row.contention) json["rows"].back()["contention"] = *row.contention;
  }
  return json.dump() + "\n";
}

}  // namespace stemma::scale
