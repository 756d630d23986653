// Runs what plan.h lists, one training after the other, and keeps what came of each: the search
// for a rate first, then all trials. Killed at any moment, the same call goes on: a run that is in
// the table is not trained again, and one that was under way continues from its last state.
//
//   DIR/batches.csv        a row per run that is over (table.h)
//   DIR/input.json         what all runs have alike; another input is refused
//   DIR/NAME-sgd-64-s1/    the run folder of a training, its recipe.toml and train.log
//
//   Job job{shape, "loss", "stemma-batches", input};
//   STEMMA_ASSIGN_OR_RETURN(const Ending ending, Gather(job, executor, hooks));
//   ending.rows, ending.failures, ending.base, ending.stopped
//
// What is compared, `metric`: "loss" is the mean of the training loss over the last tenth of the
// steps, so of as many samples at every batch. Any other name is a metric of the run's last state,
// such as val_loss. A run that leaves with a loss that is not finite is a row, not a failure; one
// that crashed or was refused is a failure, and is tried again by the next call; after two in a row
// for the same reason, the launcher's say, the call ends.
//
// Thread: the caller's. One process per folder. Failure: kIo; kInvalidArgument for a folder of
// another input and for an optimizer of which every rate diverged, with the way out.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/status.h"
#include "tools/batches/plan.h"
#include "tools/batches/table.h"
#include "tools/sweep/executor.h"

namespace stemma::batches {

struct Job {
  Shape shape;
  std::string metric = "loss";
  std::string folder;
  std::vector<std::pair<std::string, std::string>> input;  // name, value: what must stay
};

// What is done elsewhere: settings, the store, the terminal.
struct Hooks {
  // The recipe with these "key=value", as TOML.
  std::function<Result<std::string>(const std::vector<std::string>&)> recipe_of;
  // A metric of a run's last state.
  std::function<Result<double>(const std::string& run, const std::string& metric)> metric_of;
  // A row that is about to be written into the table.
  std::function<Status(const Row&)> keep;
  std::function<bool()> stop_asked;
  std::function<void(const std::string&)> tell;
};

struct Ending {
  std::vector<Row> rows;
  BaseRates base;
  std::vector<std::string> on_edge;  // optimizers whose best rate was the least or largest tried
  std::vector<std::string> failures;
  int ran = 0, found = 0;  // runs of this call, of earlier ones
  bool stopped = false;    // asked to; the same call goes on
};

Result<Ending> Gather(const Job& job, sweep::Executor& executor, const Hooks& hooks);

// What a run's metrics.jsonl says of its loss: over the last tenth of `steps`, at its first step,
// and the last step there is.
struct Losses {
  std::optional<double> last, first;
  int64_t steps = 0;
};
Result<Losses> ReadLosses(const std::string& metrics_path, int64_t steps);

}  // namespace stemma::batches
