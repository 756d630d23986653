// What the rows of a scaling series say together: medians over the repeats of every number of
// ranks, and the verdict that computing centres ask for.
//
//   FillEfficiencies(&rows);
//   for (const RunVerdict& verdict : VerdictsOf(SummariesOf(rows))) Print(verdict.words);
//
//   strong on hal, base 2 ranks: at least 75 % by throughput up to 32 ranks, by time up to 16
//
// A number of ranks stands for itself and all smaller ones: the verdict is the largest up to which
// none falls below the share. Rows that are oversubscribed, published or simulated take no part.
// Fewer than three real numbers of nodes are "not sufficient evidence", whatever the efficiencies
// are; nothing is filled up with predictions.
//
// Pure functions.
#pragma once

#include <string>
#include <vector>

#include "tools/scale/run_table.h"

namespace stemma::scale {

constexpr double kEfficiencyAsked = 0.75;
constexpr int kNodeCountsAsked = 3, kRepeatsAsked = 3;

// Of the repeats of one mode, system, number of ranks and origin.
struct Spread {
  double least = 0, median = 0, most = 0;
};
struct RunSummary {
  std::string mode, system;
  int nodes = 0, ranks = 0, repeats = 0, base_ranks = 0;
  int64_t local_batch = 0, global_batch = 0;
  // The p10 of a step is the median of the repeats' p10, and so on; an optional is empty when no
  // repeat has the number.
  std::optional<double> step_p10_s, step_p50_s, step_p90_s, epoch_s, train_s;
  std::optional<double> exposed_comm_s, input_wait_s, straggler_s;
  std::optional<Spread> samples_per_s, efficiency_throughput, efficiency_time;
  std::vector<std::string> flags;  // of any repeat
  bool counts = true;              // RunRow::Counts() of all repeats

  bool Has(const std::string& flag) const;
};

// In the order of mode, system and ranks; own runs before published and simulated ones.
std::vector<RunSummary> SummariesOf(const std::vector<RunRow>& rows);

struct RunVerdict {
  std::string mode, system;
  int base_ranks = 0;
  std::vector<int> node_counts;  // real ones, sorted
  bool sufficient = false;       // three of them at least
  // The most ranks up to which the efficiency is at least 75 %; empty when it is not known.
  std::optional<int> by_throughput, by_time;
  std::string words;  // one or two sentences, without newline
};

// One for each mode and system that has rows which count.
std::vector<RunVerdict> VerdictsOf(const std::vector<RunSummary>& summaries);

}  // namespace stemma::scale
