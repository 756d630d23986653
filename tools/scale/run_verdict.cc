#include "tools/scale/run_verdict.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "tools/scale/statistics.h"

namespace stemma::scale {
namespace {

using Maybe = std::optional<double>;
using Rows = std::vector<const RunRow*>;

std::vector<double> ValuesOf(const Rows& rows, Maybe RunRow::*of) {
  std::vector<double> values;
  for (const RunRow* row : rows) {
    if (row->*of) values.push_back(*(row->*of));
  }
  return values;
}

Maybe MedianOf(const Rows& rows, Maybe RunRow::*of) {
  const std::vector<double> values = ValuesOf(rows, of);
  if (values.empty()) return {};
  return QuantilesOf(values).p50;
}

std::optional<Spread> SpreadOf(const Rows& rows, Maybe RunRow::*of) {
  const std::vector<double> values = ValuesOf(rows, of);
  if (values.empty()) return {};
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return Spread{*least, QuantilesOf(values).p50, *most};
}

RunSummary Summarise(const Rows& rows) {
  const RunRow& first = *rows.front();
  RunSummary s;
  s.mode = first.mode;
  s.system = first.system;
  s.nodes = first.nodes;
  s.ranks = first.ranks;
  s.repeats = static_cast<int>(rows.size());
  s.base_ranks = first.base_ranks;
  s.local_batch = first.local_batch;
  s.global_batch = first.global_batch;
  s.step_p10_s = MedianOf(rows, &RunRow::step_p10_s);
  s.step_p50_s = MedianOf(rows, &RunRow::step_p50_s);
  s.step_p90_s = MedianOf(rows, &RunRow::step_p90_s);
  s.epoch_s = MedianOf(rows, &RunRow::epoch_s);
  s.train_s = MedianOf(rows, &RunRow::train_s);
  s.exposed_comm_s = MedianOf(rows, &RunRow::exposed_comm_s);
  s.input_wait_s = MedianOf(rows, &RunRow::input_wait_s);
  s.straggler_s = MedianOf(rows, &RunRow::straggler_s);
  s.samples_per_s = SpreadOf(rows, &RunRow::samples_per_s);
  s.efficiency_throughput = SpreadOf(rows, &RunRow::efficiency_throughput);
  s.efficiency_time = SpreadOf(rows, &RunRow::efficiency_time);
  for (const RunRow* row : rows) {
    s.counts = s.counts && row->Counts();
    for (const std::string& flag : row->flags) {
      if (!s.Has(flag)) s.flags.push_back(flag);
    }
  }
  return s;
}

// The most ranks up to which none falls below what is asked. Empty when a count on the way does not
// say it.
std::optional<int> LargestUpTo(const std::vector<const RunSummary*>& counts,
                               std::optional<Spread> RunSummary::*of) {
  int largest = 0;
  for (const RunSummary* one : counts) {
    if (!(one->*of)) return {};
    if ((one->*of)->median < kEfficiencyAsked) break;
    largest = one->ranks;
  }
  return largest;
}

std::string UpTo(const std::optional<int>& ranks) {
  if (!ranks) return "unknown";
  return "up to " + std::to_string(*ranks) + (*ranks == 1 ? " rank" : " ranks");
}

std::string WordsOf(const RunVerdict& v, bool repeated) {
  std::string words = v.mode + " on " + v.system + ", base " + std::to_string(v.base_ranks) +
                      (v.base_ranks == 1 ? " rank" : " ranks") + ": at least 75 % by throughput " +
                      UpTo(v.by_throughput) + ", by time " + UpTo(v.by_time) + ".";
  if (!v.sufficient) {
    std::string counts;
    for (const int n : v.node_counts) counts += (counts.empty() ? "" : ", ") + std::to_string(n);
    words += " Not sufficient evidence: real runs on " + std::to_string(v.node_counts.size()) +
             (v.node_counts.size() == 1 ? " number" : " numbers") + " of nodes (" + counts +
             "), three are asked for.";
  }
  if (!repeated) words += " Some count ran less than three times.";
  return words;
}

}  // namespace

bool RunSummary::Has(const std::string& flag) const {
  return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

std::vector<RunSummary> SummariesOf(const std::vector<RunRow>& rows) {
  // Own runs, published points, predictions: in this order.
  const auto origin = [](const RunRow& row) {
    return row.Has("simulated") ? 2 : row.Has("published") ? 1 : 0;
  };
  std::map<std::tuple<int, std::string, std::string, int>, Rows> groups;
  for (const RunRow& row : rows) {
    groups[{origin(row), row.mode, row.system, row.ranks}].push_back(&row);
  }
  std::vector<RunSummary> all;
  for (const auto& [key, group] : groups) all.push_back(Summarise(group));
  return all;
}

std::vector<RunVerdict> VerdictsOf(const std::vector<RunSummary>& summaries) {
  std::map<std::pair<std::string, std::string>, std::vector<const RunSummary*>> series;
  for (const RunSummary& one : summaries) {
    if (one.counts) series[{one.mode, one.system}].push_back(&one);
  }
  std::vector<RunVerdict> verdicts;
  for (const auto& [key, counts] : series) {
    RunVerdict v;
    v.mode = key.first;
    v.system = key.second;
    v.base_ranks = counts.front()->base_ranks;
    std::set<int> nodes;
    bool repeated = true;
    for (const RunSummary* one : counts) {
      if (one->nodes > 0) nodes.insert(one->nodes);
      repeated = repeated && one->repeats >= kRepeatsAsked;
    }
    v.node_counts.assign(nodes.begin(), nodes.end());
    v.sufficient = static_cast<int>(v.node_counts.size()) >= kNodeCountsAsked;
    v.by_throughput = LargestUpTo(counts, &RunSummary::efficiency_throughput);
    v.by_time = LargestUpTo(counts, &RunSummary::efficiency_time);
    v.words = WordsOf(v, repeated);
    verdicts.push_back(v);
  }
  return verdicts;
}

}  // namespace stemma::scale
