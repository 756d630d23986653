#include "tools/scale/report.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "core/text.h"

namespace stemma::scale {
namespace {

std::string Quoted(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string Line(const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& cell : cells) line += (line.empty() ? "" : ",") + cell;
  return line + "\n";
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : "; ") + word;
  return text;
}

}  // namespace

std::string Number(double value) {
  if (!std::isfinite(value)) return "";
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", value);
  if (std::fabs(value) < 1e9 && std::fabs(value) >= 1e4) {
    // As %.4g rounds, but without its exponent.
    std::snprintf(text, sizeof(text), "%.0f", std::strtod(text, nullptr));
  }
  return text;
}

double EfficiencyPercent(const Prediction& first, const Prediction& other) {
  return 100 * (other.samples_per_s.p50 / other.scenario.ranks) /
         (first.samples_per_s.p50 / first.scenario.ranks);
}

std::string Seconds(double seconds) {
  if (seconds > 0 && seconds < 1e-4) return Number(1e6 * seconds) + " us";
  if (seconds < 1) return Number(1e3 * seconds) + " ms";
  return seconds < 600 ? Number(seconds) + " s" : HumanDuration(seconds);
}

std::string PredictionCsv(const std::vector<Prediction>& predictions) {
  std::string csv =
      "ranks,nodes,local_batch,global_batch,step_p10_s,step_p50_s,step_p90_s,samples_per_s_p10,"
      "samples_per_s_p50,samples_per_s_p90,epoch_p50_s,epochs,total_p10_s,total_p50_s,total_p90_s,"
      "efficiency_throughput,base_ranks,input_s,compute_s,straggler_s,exposed_comm_s,optimizer_s,"
      "capture_s,control_s,algorithm,flags\n";
  for (const Prediction& p : predictions) {
    const Breakdown& m = p.mean;
    const bool refused = !(p.epochs > 0);
    const auto total = [&](double value) { return refused ? std::string() : Number(value); };
    csv += Line({std::to_string(p.scenario.ranks),
                 std::to_string(p.nodes),
                 std::to_string(p.scenario.local_batch),
                 std::to_string(p.scenario.local_batch * p.scenario.ranks),
                 Number(p.step_s.p10),
                 Number(p.step_s.p50),
                 Number(p.step_s.p90),
                 Number(p.samples_per_s.p10),
                 Number(p.samples_per_s.p50),
                 Number(p.samples_per_s.p90),
                 Number(p.epoch_s.p50),
                 refused ? "" : Number(p.epochs),
                 total(p.total_s.p10),
                 total(p.total_s.p50),
                 total(p.total_s.p90),
                 Number(EfficiencyPercent(predictions.front(), p)),
                 std::to_string(predictions.front().scenario.ranks),
                 Number(m.input),
                 Number(m.compute),
                 Number(m.straggler),
                 Number(m.exposed_calls),
                 Number(m.optimizer),
                 Number(m.capture),
                 Number(m.control),
                 AlgorithmName(p.first_call.algorithm),
                 Quoted(Joined(p.flags))});
  }
  return csv;
}

std::string ValidationCsv(const Validation& validation) {
  std::string csv =
      "set,quantity,unit,ranks,published,predicted,p10,p90,error,kind,plain_error,note\n";
  for (const Row& row : validation.rows) {
    csv += Line({Quoted(row.set), Quoted(row.quantity), row.unit, std::to_string(row.ranks),
                 Number(row.published), Number(row.predicted), Number(row.low), Number(row.high),
                 Number(row.Error()), row.fitted ? "fitted" : "held out", Number(row.plain_error),
                 Quoted(row.note)});
  }
  return csv;
}

}  // namespace stemma::scale
