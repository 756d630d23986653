// The table of a scaling series: one row per child run, as CSV with the columns of SCALING's
// report.
//
//   mode,system,nodes,ranks,local_batch,global_batch,repeat,steps,step_p10_s,step_p50_s,step_p90_s,
//   samples_per_s,epoch_s,train_s,exposed_comm_s,input_wait_s,straggler_s,efficiency_throughput,
//   efficiency_time,base_ranks,flags,plan_digest,state_id
//
//   STEMMA_ASSIGN_OR_RETURN(std::vector<RunRow> rows, ReadRunTable("scale.csv"));
//   STEMMA_RETURN_IF_ERROR(CheckSameInput(rows));
//   FillEfficiencies(&rows);
//   for (const RunRow& row : rows) if (!row.Has("oversubscribed")) ...
//
// What a workload cannot give is an empty field and an empty optional, never a number that was made
// up. Times are seconds. A step is as long as on its slowest rank; its quantiles are of the steps
// after warm-up. Flags are words joined by `;`:
//
//   oversubscribed   more ranks than cores, or several "nodes" on one host: not in the verdict
//   short            less than 200 steps and less than 60 s were counted
//   unstable         step times did not settle within the first half of the samples
//   published        a point of others; it is drawn, and never in a verdict of own runs
//   simulated        a prediction, with a symbol of its own; never in a verdict
//
// Pure functions but for Read. Failure: kNotFound, kIo; kInvalidArgument names the file, the line
// and the column. Source: SCALING sections 9; CSC's formula of parallel efficiency.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::scale {

struct RunRow {
  std::string mode;    // strong: fixed global batch; weak: fixed local batch; data: fixed local
                       // batch and equal data, so that the batch grows and the steps become fewer
  std::string system;  // the machine's name
  int nodes = 0, ranks = 0;
  int64_t local_batch = 0, global_batch = 0;
  int repeat = 0;     // from 0
  int64_t steps = 0;  // in steady state: what quantiles and samples_per_s count
  std::optional<double> step_p10_s, step_p50_s, step_p90_s;
  std::optional<double> samples_per_s;  // steady state, all ranks
  std::optional<double> epoch_s;        // wall time of one pass over the data, validation included
  std::optional<double> train_s;        // of all steps after the warm-up and what lies between
  std::optional<double> exposed_comm_s, input_wait_s, straggler_s;  // per step
  std::optional<double> efficiency_throughput, efficiency_time;     // shares: 1 is ideal
  int base_ranks = 0;  // what the efficiencies compare with; 0 while they are empty
  std::vector<std::string> flags;
  std::string plan_digest, state_id;

  bool Has(const std::string& flag) const;
  // Counts in a verdict: measured here, on cores of its own.
  bool Counts() const { return !Has("oversubscribed") && !Has("published") && !Has("simulated"); }
};

const std::vector<std::string>& RunModes();  // strong, weak, data

// The header line, and a row's line; both with their newline.
std::string RunTableHeader();
std::string RunTableLine(const RunRow& row);
std::string RunTableText(const std::vector<RunRow>& rows);  // header and lines

// `name` is for messages. A torn last line, without its newline, is left out: a killed series ends
// so. The columns may stand in another order; others are refused.
Result<std::vector<RunRow>> ParseRunTable(const std::string& text, const std::string& name);
Result<std::vector<RunRow>> ReadRunTable(const std::string& path);

// Rows of one mode and system have the same global batch (strong) or local batch (weak, data), and
// the same plan where it is known. kInvalidArgument says which two rows differ in what.
Status CheckSameInput(const std::vector<RunRow>& rows);

// Efficiencies of every row against the median of the smallest number of ranks of its mode and
// system: (R_N / p_N) / (R_b / p_b), and by time p_b T_b / (p_N T_N), which is T_b / T_N in mode
// weak. Rows that are published or simulated are compared among themselves.
void FillEfficiencies(std::vector<RunRow>* rows);

}  // namespace stemma::scale
