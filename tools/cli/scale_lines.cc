#include "tools/cli/scale_lines.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>

#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/scale/efficiency.h"
#include "tools/scale/published.h"
#include "tools/scale/report.h"

namespace stemma::cli {
namespace {

using scale::Number;
using scale::Seconds;

std::string Lines(const std::vector<std::vector<std::string>>& rows) {
  std::string text;
  for (const std::string& line : Columns(rows)) text += line + "\n";
  return text;
}

std::string Percent(double value) {
  if (!std::isfinite(value)) return "";
  char text[32];
  std::snprintf(text, sizeof(text), "%+.1f", value);
  return text;
}

std::string Between(double low, double high) { return Number(low) + " .. " + Number(high); }

std::string CallName(const scale::Choice& call) {
  return std::string(scale::AlgorithmName(call.algorithm)) + " " +
         scale::ProtocolName(call.protocol);
}

std::string SharesText(const scale::Prediction& p) {
  std::string text;
  for (const scale::Share& share : p.shares) {
    if (share.percent < 1) break;
    text +=
        (text.empty() ? "" : ", ") + share.name + " " + Number(std::round(share.percent)) + " %";
  }
  return text;
}

std::string Flags(const std::vector<scale::Prediction>& predictions) {
  std::vector<std::string> said;
  std::string text;
  for (const scale::Prediction& p : predictions) {
    for (const std::string& flag : p.flags) {
      if (std::find(said.begin(), said.end(), flag) != said.end()) continue;
      said.push_back(flag);
      text += "  * " + flag + "\n";
    }
  }
  return text;
}

std::string ConstantsText(scale::System* system, const scale::Workload& workload) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, constant] : system->Constants(workload.model)) {
    rows.push_back({"  " + name, Number(constant->value), Between(constant->low, constant->high),
                    scale::ProvenanceName(constant->provenance), constant->source});
  }
  for (const auto& [name, constant] : {std::pair<std::string, const scale::Constant*>{
                                           "samples per epoch", &workload.samples_per_epoch},
                                       {"bytes per sample", &workload.bytes_per_sample},
                                       {"epochs", &workload.epochs}}) {
    rows.push_back({"  " + name, Number(constant->value), Between(constant->low, constant->high),
                    scale::ProvenanceName(constant->provenance), constant->source});
  }
  return "\nConstants: value, range, where from (collectives: " + system->nccl->source + ")\n" +
         Lines(rows);
}

// What Fig 1 says of itself: throughput and time are two figures.
std::string PublishedEfficiency() {
  std::vector<scale::MeasuredRun> runs;
  for (const scale::HalRun& run : scale::HalFebruary()) {
    runs.push_back({run.gpus, run.images_per_s, run.train_s});
  }
  const std::vector<scale::Efficiency> all = scale::EfficienciesOf(runs);
  std::vector<std::vector<std::string>> rows = {{"  GPUs", "by throughput", "by time"}};
  for (const scale::Efficiency& one : all) {
    rows.push_back({"  " + std::to_string(one.ranks), scale::Number(100 * one.throughput) + " %",
                    scale::Number(100 * one.time) + " %"});
  }
  const auto above = [&](double scale::Efficiency::*of) {
    return std::to_string(scale::LargestAbove(all, 0.75, of));
  };
  return "Published efficiency of Fig 1 against " + std::to_string(all.front().ranks) + " GPUs\n" +
         Lines(rows) + "  75 % or more up to " + above(&scale::Efficiency::throughput) +
         " GPUs by throughput, up to " + above(&scale::Efficiency::time) + " by time\n\n";
}

}  // namespace

std::string PredictionText(scale::System system, const scale::Workload& workload,
                           const std::vector<scale::Prediction>& predictions, bool constants) {
  double bytes = 0;
  for (const scale::Bucket& bucket : workload.buckets) bytes += bucket.bytes;
  std::string text = workload.model + " on " + system.description + "\n" + Number(bytes / 1e6) +
                     " MB of gradients in " + std::to_string(workload.buckets.size()) +
                     " buckets. Medians, and 10 .. 90 % of the draws.\n\n";
  std::vector<std::vector<std::string>> rows = {{"ranks", "nodes", "batch", "step", "10 .. 90 %",
                                                 "samples/s", "10 .. 90 %", "efficiency", "epoch",
                                                 "epochs", "time to accuracy", "calls"}};
  std::vector<std::vector<std::string>> parts = {{"ranks", "input", "compute", "stragglers",
                                                  "exposed calls", "optimizer", "captures",
                                                  "control"}};
  for (const scale::Prediction& p : predictions) {
    rows.push_back({std::to_string(p.scenario.ranks), std::to_string(p.nodes),
                    std::to_string(p.scenario.local_batch * p.scenario.ranks),
                    Seconds(p.step_s.p50), Seconds(p.step_s.p10) + " .. " + Seconds(p.step_s.p90),
                    Number(p.samples_per_s.p50), Between(p.samples_per_s.p10, p.samples_per_s.p90),
                    Number(scale::EfficiencyPercent(predictions.front(), p)) + " %",
                    Seconds(p.epoch_s.p50), p.epochs > 0 ? Number(p.epochs) : "-",
                    p.epochs > 0 ? Seconds(p.total_s.p50) : "refused",
                    CallName(p.first_call) + ", last " + CallName(p.last_call)});
    const scale::Breakdown& m = p.mean;
    parts.push_back({std::to_string(p.scenario.ranks), Seconds(m.input), Seconds(m.compute),
                     Seconds(m.straggler), Seconds(m.exposed_calls), Seconds(m.optimizer),
                     Seconds(m.capture), Seconds(m.control)});
  }
  text += Lines(rows) + "\nEfficiency is of throughput per rank against " +
          std::to_string(predictions.front().scenario.ranks) +
          " ranks. The mean step is the sum of\n\n" + Lines(parts);
  text += "\nWhat the uncertainty comes from, as shares of the variance\n";
  for (const scale::Prediction& p : predictions) {
    text += "  " + std::to_string(p.scenario.ranks) + " ranks: " + SharesText(p) + "\n";
  }
  const scale::Prediction& last = predictions.back();
  if (last.capture_gb_s > 0 || last.first_epoch_input_gb_s > 0) {
    text += "\nTraffic of the storage with " + std::to_string(last.scenario.ranks) +
            " ranks: input " + Number(last.first_epoch_input_gb_s) + " GB/s, captures " +
            Number(last.capture_gb_s) + " GB/s\n";
  }
  const std::string flags = Flags(predictions);
  if (!flags.empty()) text += "\nTo note\n" + flags;
  return constants ? text + ConstantsText(&system, workload) : text;
}

std::string PredictionJson(const std::vector<scale::Prediction>& predictions) {
  std::string text;
  for (const scale::Prediction& p : predictions) {
    const scale::Breakdown& m = p.mean;
    std::map<std::string, double> shares;
    for (const scale::Share& share : p.shares) shares[share.name] = share.percent;
    const auto quantiles = [](const scale::Quantiles& q) {
      return std::map<std::string, double>{{"p10", q.p10}, {"p50", q.p50}, {"p90", q.p90}};
    };
    text += JsonLine({{"ranks", static_cast<int64_t>(p.scenario.ranks)},
                      {"nodes", static_cast<int64_t>(p.nodes)},
                      {"local_batch", p.scenario.local_batch},
                      {"step_s", quantiles(p.step_s)},
                      {"samples_per_s", quantiles(p.samples_per_s)},
                      {"epoch_s", quantiles(p.epoch_s)},
                      {"epochs", p.epochs > 0 ? p.epochs : NAN},
                      {"time_to_accuracy_s",
                       p.epochs > 0 ? quantiles(p.total_s) : std::map<std::string, double>()},
                      {"efficiency_percent", scale::EfficiencyPercent(predictions.front(), p)},
                      {"base_ranks", static_cast<int64_t>(predictions.front().scenario.ranks)},
                      {"mean_s", std::map<std::string, double>{{"input", m.input},
                                                               {"compute", m.compute},
                                                               {"straggler", m.straggler},
                                                               {"exposed_comm", m.exposed_calls},
                                                               {"optimizer", m.optimizer},
                                                               {"capture", m.capture},
                                                               {"control", m.control}}},
                      {"first_call", CallName(p.first_call)},
                      {"last_call", CallName(p.last_call)},
                      {"input_gb_s", p.first_epoch_input_gb_s},
                      {"capture_gb_s", p.capture_gb_s},
                      {"variance_percent", shares},
                      {"flags", p.flags}});
  }
  return text;
}

std::string ValidationText(const scale::Validation& validation) {
  std::string text;
  std::vector<std::vector<std::string>> rows;
  std::string set;
  const auto flush = [&] {
    if (!set.empty()) text += set + "\n" + Lines(rows) + "\n";
    rows = {{"  ranks", "quantity", "published", "predicted", "10 .. 90 %", "error", "",
             "bandwidth only", ""}};
  };
  for (const scale::Row& row : validation.rows) {
    if (row.set != set) {
      flush();
      set = row.set;
    }
    const bool points = row.unit == "%";
    const std::string plain = Percent(row.plain_error);
    rows.push_back({"  " + std::to_string(row.ranks), row.quantity + ", " + row.unit,
                    Number(row.published), Number(row.predicted), Between(row.low, row.high),
                    Percent(row.Error()) + (points ? " points" : " %"),
                    row.fitted ? "fitted" : "held out", plain.empty() ? "" : plain + " %",
                    row.note});
  }
  flush();
  text += PublishedEfficiency() + "Fitted, with the range of refits\n";
  rows.clear();
  for (const scale::FittedSet& one : validation.fits) {
    const auto cell = [](const scale::Constant& c, double unit) {
      return Number(unit * c.value) + " (" + Between(unit * c.low, unit * c.high) + ")";
    };
    if (rows.empty()) {
      rows.push_back({"  points", "compute, ms/sample", "jitter, normal, %",
                      "jitter, exponential, %", "wait, us/sample/rank", "validation, s x ranks",
                      "epoch, s"});
    }
    const scale::ResNetFit& f = one.fit;
    rows.push_back({"  " + f.per_sample_ms.source, cell(f.per_sample_ms, 1),
                    cell(f.jitter_normal, 100), cell(f.jitter_exponential, 100), cell(f.wait_us, 1),
                    cell(f.validation_s, 1), cell(f.epoch_s, 1)});
  }
  text += Lines(rows) + "\nTargets\n";
  rows.clear();
  for (const scale::Target& target : validation.targets) {
    rows.push_back({"  " + target.what, "worst " + Number(target.worst) + " " + target.unit,
                    "at most " + Number(target.limit), target.met() ? "met" : "MISSED"});
  }
  text += Lines(rows) + "\nData that is missing\n";
  for (const std::string& what : validation.missing) text += "  * " + what + "\n";
  return text;
}

std::string ValidationJson(const scale::Validation& validation) {
  std::string text;
  for (const scale::Row& row : validation.rows) {
    text += JsonLine({{"set", row.set},
                      {"quantity", row.quantity},
                      {"unit", row.unit},
                      {"ranks", static_cast<int64_t>(row.ranks)},
                      {"published", row.published},
                      {"predicted", row.predicted},
                      {"p10", row.low},
                      {"p90", row.high},
                      {"error", row.Error()},
                      {"fitted", row.fitted},
                      {"plain_error", row.plain_error},
                      {"note", row.note}});
  }
  for (const scale::Target& target : validation.targets) {
    text += JsonLine({{"target", target.what},
                      {"worst", target.worst},
                      {"limit", target.limit},
                      {"unit", target.unit},
                      {"met", target.met()}});
  }
  for (const std::string& what : validation.missing) text += JsonLine({{"missing", what}});
  return text;
}

}  // namespace stemma::cli
