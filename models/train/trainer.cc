#include "models/train/trainer.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "core/bytes.h"
#include "core/cohort.h"
#include "core/error_report.h"
#include "core/exit_code.h"
#include "core/log.h"
#include "lineage/graph.h"
#include "models/train/loop.h"
#include "models/train/course.h"
#include "models/train/resume.h"
#include "models/train/signals.h"
#include "models/train/start_table.h"
#include "models/train/threads.h"
#include "optim/recipe.h"

namespace stemma::models {
namespace {

using Clock = std::chrono::steady_clock;

// What all ranks must have alike. [lineage] may change from one incarnation to the next, but within
// one it decides when ranks meet for a capture and which bytes each of them writes.
std::vector<std::pair<std::string, std::string>> SharedFacts(const SettingsList& list) {
  std::vector<std::pair<std::string, std::string>> facts;
  for (const Setting& setting : list.all()) {
    const bool alike = setting.help.kind == Kind::kShared || setting.key.rfind("lineage.", 0) == 0;
    if (alike) facts.emplace_back(setting.key, setting.Text());
  }
  return facts;
}

// Other ranks cannot be asked any more.
bool IsLost(const Status& status) {
  return status.code() == Code::kPeerLost || status.code() == Code::kTimeout;
}

// Everything a run needs, in the order it is made; the loop borrows it.
class Training {
 public:
  Training(const RunSettings& settings, const SettingsList& list, const TrainOptions& options,
           ops::World& world)
      : settings_(settings), list_(list), options_(options), world_(world) {}

  Status Prepare(const WorkloadFactory& make);
  Status Run();
  bool complete() const { return session_.kind == StartKind::kComplete; }
  const std::string& headline() const { return session_.headline; }
  bool stopped_before_start() const { return stopped_before_start_; }
  Outcome Report(const Status& status, double wall_s);
  // error.json, unless an earlier failure is there.
  void WriteError(const Status& status);

 private:
  Status MakeWorkload(const WorkloadFactory& make);
  Status OpenFolder();
  Status Build();
  Status RestoreState();
  Status StartCapturer();
  Status BeginFiles();
  void BeginLog();
  Status FirstRecord();
  void PrintTable();
  std::string Dir() const {
    return options_.dir.empty() ? "stemma-runs/" + settings_.run.name : options_.dir;
  }
  bool root() const { return world_.rank() == 0; }

  const RunSettings& settings_;
  const SettingsList& list_;
  const TrainOptions& options_;
  ops::World& world_;
  std::unique_ptr<Workload> workload_;
  int64_t dataset_size_ = 0, total_steps_ = 0;
  optim::OptimSettings optim_;  // of settings_, in steps, with what a recipe takes from the data
  RunFolder folder_;
  Session session_;
  std::unique_ptr<ops::Reducer> reducer_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::unique_ptr<Binding> binding_;
  std::unique_ptr<Resume> resume_;  // writes through binding_; null: nothing to restore
  SmallState start_;
  std::unique_ptr<Loader> loader_;
  CapturePolicy policy_;
  std::unique_ptr<lineage::Capturer> capturer_;
  std::unique_ptr<lineage::Keeper> keeper_;  // rank 0, where states are captured
  lineage::Record record_;
  MetricsFile metrics_;
  std::unique_ptr<Progress> progress_;
  std::unique_ptr<Loop> loop_;
  bool stopped_before_start_ = false;
  bool restart_helps_ = false;  // the state was damaged, and is not tried again
  bool entered_ = false;        // this incarnation's folder is this process's to write to
};

Status Training::Prepare(const WorkloadFactory& make) {
  world_.recorder().Enter(ops::Phase::kStart);
  InstallSignalHandlers({&ops::AskForVerdict, &ops::LeaveNow});
  STEMMA_RETURN_IF_ERROR(AgreeOn(world_.cohort(), SharedFacts(list_)));
  STEMMA_RETURN_IF_ERROR(CheckHandOver(options_.hand_over, settings_.lineage.store));
  STEMMA_RETURN_IF_ERROR(UseThreads(settings_.device, world_));
  STEMMA_ASSIGN_OR_RETURN(policy_, PolicyOf(settings_.lineage));
  STEMMA_RETURN_IF_ERROR(MakeWorkload(make));
  STEMMA_ASSIGN_OR_RETURN(const Course course, CourseOf(settings_, dataset_size_));
  total_steps_ = course.total_steps;
  optim_ = course.optim;
  STEMMA_RETURN_IF_ERROR(CheckBatch({settings_.train.global_batch, settings_.train.micro_batches},
                                    world_.ranks(), dataset_size_));
  STEMMA_RETURN_IF_ERROR(OpenFolder());
  if (stopped_before_start_) return {};
  STEMMA_ASSIGN_OR_RETURN(
      session_,
      OpenSession(settings_, list_, {options_.fresh, total_steps_, options_.environment_json},
                  world_.cohort()));
  if (complete()) return {};
  STEMMA_RETURN_IF_ERROR(
      Agree(world_.cohort(), root() ? folder_.EnterIncarnation(session_.incarnation) : Status()));
  entered_ = true;
  world_.ReportInto(IncarnationFolder(Dir(), session_.incarnation));
  STEMMA_RETURN_IF_ERROR(Build());
  STEMMA_RETURN_IF_ERROR(Agree(world_.cohort(), root() ? BeginFiles() : Status()));
  BeginLog();
  STEMMA_RETURN_IF_ERROR(StartCapturer());
  progress_ = std::make_unique<Progress>(
      root() ? ChooseProgress(options_.progress) : ProgressStyle::kOff, settings_.train.log_every);
  if (root()) PrintTable();
  return {};
}

// Opening a dataset may take a while on a cold file system.
Status Training::MakeWorkload(const WorkloadFactory& make) {
  const ops::Section section(world_.recorder(), "opening of the data", 600);
  auto workload = make(settings_);
  STEMMA_RETURN_IF_ERROR(Agree(world_.cohort(), workload.status()));
  workload_ = *std::move(workload);
  const auto data = workload_->TrainData();  // maybe out of files of each host's own
  dataset_size_ = data->Size();
  return AgreeOn(world_.cohort(), {{"size of the data set", std::to_string(dataset_size_)},
                                   {"digest of the data set", Hex(data->Digest())}});
}

Status Training::OpenFolder() {
  Status mine;
  if (root()) {
    auto folder = RunFolder::Open(Dir());
    mine = folder.status();
    if (folder.ok()) folder_ = *std::move(folder);
  }
  STEMMA_RETURN_IF_ERROR(Agree(world_.cohort(), mine));
  const bool stop = root() && folder_.StopAsked();
  STEMMA_ASSIGN_OR_RETURN(const int first, world_.cohort().Min(stop ? 0 : 1));
  stopped_before_start_ = first == 0;
  return {};
}

Status Training::Build() {
  STEMMA_ASSIGN_OR_RETURN(
      reducer_,
      ops::Reducer::Create(settings_.ops, world_, workload_->Parameters(), workload_->Buffers()));
  STEMMA_RETURN_IF_ERROR(
      Agree(world_.cohort(), CheckBinding(reducer_->parameters(), workload_->Buffers())));
  auto optimizer = optim::Make(optim_, total_steps_, *reducer_);
  STEMMA_RETURN_IF_ERROR(Agree(world_.cohort(), optimizer.status()));
  optimizer_ = *std::move(optimizer);
  binding_ =
      std::make_unique<Binding>(reducer_->parameters(), workload_->Buffers(), optimizer_->State());
  start_.cursor.seed = static_cast<uint64_t>(settings_.train.seed);
  if (session_.from || options_.live) STEMMA_RETURN_IF_ERROR(RestoreState());
  const TrainSection& train = settings_.train;
  auto loader =
      Loader::Start(workload_->TrainData(),
                    {train.global_batch, train.micro_batches, train.loader_threads, train.prefetch,
                     train.last_batch == "short", train.window(), train.data_stall_s},
                    {world_.rank(), world_.ranks()}, start_.cursor);
  STEMMA_RETURN_IF_ERROR(Agree(world_.cohort(), loader.status()));
  loader_ = *std::move(loader);
  return {};
}

Status Training::RestoreState() {
  if (options_.live != nullptr) {
    STEMMA_RETURN_IF_ERROR(
        Agree(world_.cohort(), CopyInto(*options_.live, session_.from, binding_.get())));
  } else {
    const bool progressive = settings_.lineage.restore == lineage::kProgressiveName;
    STEMMA_ASSIGN_OR_RETURN(
        resume_, Resume::Begin(*session_.store, *session_.from, *binding_, world_, &restart_helps_,
                               progressive ? lineage::RestoreMode::kProgressive
                                           : lineage::RestoreMode::kExact));
  }
  auto small = binding_->TakeSmall();
  Status mine = small.status();
  if (small.ok()) {
    start_ = *std::move(small);
    mine = optimizer_->DecodeSmall(start_.optimizer);
    if (session_.from->reason == lineage::Reason::kFork) {
      const lineage::CursorRecord& cursor = session_.from->cursor;
      start_.cursor = {cursor.seed, cursor.epoch, cursor.sample};
    }
  }
  return Agree(world_.cohort(), mine);
}

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

Status Training::FirstRecord() {
  record_.run = session_.run;
  record_.run_name = settings_.run.name;
  record_.incarnation = session_.incarnation;
  record_.plan_digest = reducer_->plan().digest;
  record_.world = static_cast<uint32_t>(world_.ranks());
  if (!root()) return {};
  STEMMA_RETURN_IF_ERROR(CheckScope(*session_.store, policy_.keep));
  STEMMA_ASSIGN_OR_RETURN(record_.settings, session_.store->PutBlob(LastingSettings(list_)));
  STEMMA_ASSIGN_OR_RETURN(record_.environment, session_.store->PutBlob(options_.environment_json));
  return {};
}

Status Training::StartCapturer() {
  if (session_.store == nullptr) return {};
  STEMMA_RETURN_IF_ERROR(Agree(world_.cohort(), FirstRecord()));
  auto capturer =
      lineage::Capturer::Create(settings_.lineage, *session_.store, session_.writer.get(),
                                session_.tmp_dir, binding_->spans(), *binding_, world_.rank(),
                                world_.ranks(), session_.from ? &*session_.from : nullptr);
  STEMMA_RETURN_IF_ERROR(Agree(world_.cohort(), capturer.status()));
  capturer_ = *std::move(capturer);
  if (root()) {
    keeper_ = std::make_unique<lineage::Keeper>(*session_.store, settings_.run.name, policy_.keep);
  }
  return {};
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
  for (const auto& span : binding_->spans()) table.state_bytes += span.bytes();
  table.when = WhenCaptured(settings_.lineage);
  table.store = session_.store == nullptr ? "" : session_.store->path();
  table.folder = folder_.dir();
  for (const std::string& line : LinesOf(table, *reducer_, *optimizer_)) progress_->Event(line);
}

Status Training::Run() {
  world_.SetTrace(settings_.comm.diagnose.trace == "on");
  loop_ = std::make_unique<Loop>(
      LoopParts{settings_,     world_,
                *workload_,    *reducer_,
                *optimizer_,   *loader_,
                *binding_,     capturer_.get(),
                policy_,       keeper_.get(),
                session_,      folder_,
                metrics_,      *progress_,
                record_,       dataset_size_,
                total_steps_,  [this](const Status& failed) { WriteError(failed); },
                resume_.get(), options_.hand_over},
      start_.step);
  const Status status = loop_->Run();
  progress_->Finish();
  if (!status.ok() && !IsLost(status) && reducer_->stuck()) {
    WriteError(status);
    world_.Abort(status, kExitFailed);  // the others wait in a bucket that does not come
  }
  if (IsLost(status)) return status;  // asking lost peers would cost a deadline and hide the cause
  if (!status.ok() || session_.writer == nullptr) return Agree(world_.cohort(), status);
  return Agree(world_.cohort(), session_.writer->Close());
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

// What the caller does with the world afterwards is not ours to time.
struct ReturnToIdle {
  ops::World& world;
  ~ReturnToIdle() { world.recorder().Enter(ops::Phase::kIdle); }
};

}  // namespace

Outcome Train(const RunSettings& settings, const SettingsList& list, const TrainOptions& options,
              ops::World& world, const WorkloadFactory& make) {
  const auto start = Clock::now();
  const ReturnToIdle idle{world};
  Training training(settings, list, options, world);
  Status status;
  try {
    status = training.Prepare(make);
    if (status.ok() && training.stopped_before_start()) {
      if (world.rank() == 0) std::puts("STOP found in the run folder; remove it to train");
      return {};
    }
    if (status.ok() && training.complete()) {
      if (world.rank() == 0) std::puts(training.headline().c_str());
      return {};
    }
    if (status.ok()) status = training.Run();
  } catch (const std::exception& error) {
    status = {Code::kInternal, error.what()};
    training.WriteError(status);
    world.Abort(status, kExitFailed);  // alone: the others may be anywhere
  }
  const Outcome outcome =
      training.Report(status, std::chrono::duration<double>(Clock::now() - start).count());
  if (IsLost(status)) world.Abort(status, kExitTryAgain);
  if (!status.ok()) world.ClaimCause();  // rank 0 says it for all; nobody's end is a riddle now
  if (!status.ok() && world.rank() == 0)
    std::fprintf(stderr, "stemma: %s\n", outcome.cause.c_str());
  return outcome;
}

}  // namespace stemma::models
