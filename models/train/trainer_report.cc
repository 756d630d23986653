// What is told about a training: the files of its folder, each rank's log, the table at its start
// and the outcome at its end.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "core/bytes.h"
#include "core/error_report.h"
#include "core/exit_code.h"
#include "core/log.h"
#include "models/train/start_table.h"
#include "models/train/training.h"
#include "models/train/stored_settings.h"
#include "optim/recipe.h"

namespace stemma::models {

Status Training::BeginFiles() {
  STEMMA_RETURN_IF_ERROR(folder_.Write(folder_.File("settings.toml"), LastingSettings(list_)));
  STEMMA_RETURN_IF_ERROR(folder_.Write(folder_.File("settings.origin.json"), list_.OriginJson()));
  STEMMA_RETURN_IF_ERROR(
      folder_.Write(folder_.IncarnationFile("env.json"), options_.environment_json + "\n"));
  STEMMA_RETURN_IF_ERROR(metrics_.Open(folder_.File("metrics.jsonl")));
  const MetricRow where = {{"inc", static_cast<double>(session_.incarnation)},
                           {"from_step", static_cast<double>(start_.step)}};
  if (session_.kind != StartKind::kFork) return metrics_.Event("continue", {}, where);
  const auto& parents = session_.from->parents;
  return metrics_.Event("fork", {{"parent", parents.empty() ? "" : Hex(parents[0].parent)}}, where);
}

// Best effort: a rank without a log trains all the same.
void Training::BeginLog() {
  SetLogRank(world_.rank());
  const std::string path =
      RankLogPath(Dir(), session_.incarnation, world_.rank(), world_.ranks(), world_.node_rank());
  const Status opened = path.empty() ? Status() : OpenLogFile(path);
  if (!opened.ok()) LogWarning("this rank keeps no log", {{"why", opened.message()}});
  LogToFile("begins", {{"run", settings_.run.name},
                       {"incarnation", session_.incarnation},
                       {"ranks", world_.ranks()},
                       {"host", world_.host()},
                       {"pid", getpid()},
                       {"from_step", start_.step}});
}

void Training::PrintTable() {
  StartTable table;
  table.headline = session_.headline;
  table.notes = session_.notes;
  table.recipe = optim::DescribeRecipe(optim_, settings_.train.global_batch, dataset_size_);
  table.world = world_.description();
  table.model = workload_->name();
  table.dataset_size = dataset_size_;
  table.global_batch = settings_.train.global_batch;
  table.total_steps = total_steps_;
  if (evaluation_ != nullptr) {
    table.evaluation = std::to_string(evaluation_->samples()) + " samples, every " +
                       std::to_string(validate_every_) + " steps, in batches of " +
                       std::to_string(evaluation_->batch()) +
                       (settings_.validate.weights == "average" ? ", by averaged weights" : "");
  }
  for (const auto& span : binding_->spans()) table.state_bytes += span.bytes();
  table.when = WhenCaptured(settings_.lineage);
  table.store = session_.store == nullptr ? "" : session_.store->path();
  table.folder = folder_.dir();
  for (const std::string& line : LinesOf(table, *reducer_, *optimizer_)) progress_->Event(line);
}

void Training::WriteError(const Status& status) {
  if (!entered_) return;
  const auto host = world_.recorder().host();
  ErrorReport report;
  report.code = CodeName(status.code());
  report.rank = world_.rank();
  report.host = world_.host();
  report.pid = getpid();
  report.step = loop_ == nullptr ? 0 : loop_->step();
  report.phase = ops::NameOf(host.phase);
  report.call = world_.recorder().pending().what;
  report.cause = status.message();
  if (IsLost(status) || restart_helps_) report.remedy = "run the same command again";
  WriteErrorReport(IncarnationFolder(Dir(), session_.incarnation), report);
}

// A watchdog knows whose end it was; this rank, only that somebody is gone. Its own word counts
// where there is none to see it: the end of a rank on another node.
void Training::AwaitReport() const {
  if (!entered_) return;
  const std::string report = IncarnationFolder(Dir(), session_.incarnation) + "/error.json";
  for (int i = 0; i < 100 && access(report.c_str(), F_OK) != 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

Outcome Training::Report(const Status& status, double wall_s) {
  Outcome outcome;
  outcome.wall_s = wall_s;
  outcome.exit_code = !status.ok() && restart_helps_ ? kExitTryAgain : ExitCodeFor(status);
  outcome.cause = status.ok() ? "done" : status.message();
  outcome.step = start_.step;
  if (loop_ != nullptr) {
    outcome.step = loop_->step();
    outcome.last_state = loop_->last_state();
    if (status.ok() && !loop_->stopped_by().empty()) {
      outcome.exit_code = kExitTryAgain;
      outcome.cause = "stopped by " + loop_->stopped_by();
    }
  }
  if (!status.ok()) {
    if (IsLost(status)) AwaitReport();
    if (root() || IsLost(status)) WriteError(status);
  } else if (loop_ != nullptr && root()) {
    std::string line =
        outcome.exit_code == 0
            ? settings_.run.name + " is complete at step " + std::to_string(outcome.step)
            : outcome.cause + " at step " + std::to_string(outcome.step);
    line += outcome.last_state.empty() ? "; nothing saved" : "; saved " + outcome.last_state;
    char costs[120];
    std::snprintf(costs, sizeof costs, "; %.1f s of steps, captures held them up for %.2f %%",
                  loop_->run_s(), 100 * loop_->capture_stall_s() / (loop_->run_s() + 1e-9));
    line += costs;
    if (outcome.exit_code != 0) line += "; exit 75: run the same command again";
    progress_->Event(line);
  }
  LogToFile("ends", {{"exit_code", outcome.exit_code}, {"cause", outcome.cause}});
  FlushLog();
  if (entered_ && root()) {
    const Status written = folder_.WriteOutcome(outcome);
    if (!written.ok()) std::fprintf(stderr, "%s\n", written.message().c_str());
  }
  return outcome;
}

}  // namespace stemma::models
