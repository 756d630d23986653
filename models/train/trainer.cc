#include "models/train/trainer.h"

#include <chrono>
#include <cstdio>
#include <utility>

#include "core/bytes.h"
#include "core/cohort.h"
#include "core/exit_code.h"
#include "models/train/begin_from.h"
#include "models/train/course.h"
#include "models/train/signals.h"
#include "models/train/threads.h"
#include "models/train/training.h"
#include "models/train/stored_settings.h"

namespace stemma::models {
namespace {

using Clock = std::chrono::steady_clock;

// What all ranks must have alike. [lineage] may change from one incarnation to the next, but within
// one it decides when ranks meet for a capture and which bytes each of them writes, and
// train.stop_at when they meet for an evaluation.
std::vector<std::pair<std::string, std::string>> SharedFacts(const SettingsList& list) {
  std::vector<std::pair<std::string, std::string>> facts;
  for (const Setting& setting : list.all()) {
    const bool alike = setting.help.kind == Kind::kShared || setting.key == "train.stop_at" ||
                       setting.key.rfind("lineage.", 0) == 0;
    if (alike) facts.emplace_back(setting.key, setting.Text());
  }
  return facts;
}

// What the caller does with the world afterwards is not ours to time.
struct ReturnToIdle {
  ops::World& world;
  ~ReturnToIdle() { world.recorder().Enter(ops::Phase::kIdle); }
};

}  // namespace

Status Training::Prepare(const WorkloadFactory& make) {
  world_.recorder().Enter(ops::Phase::kStart);
  InstallSignalHandlers({&ops::AskForVerdict, &ops::LeaveNow});
  STEMMA_RETURN_IF_ERROR(AgreeOn(world_.cohort(), SharedFacts(list_)));
  STEMMA_RETURN_IF_ERROR(CheckHandOver(options_.hand_over, settings_.lineage.store));
  STEMMA_RETURN_IF_ERROR(UseThreads(settings_, world_));
  STEMMA_ASSIGN_OR_RETURN(policy_, PolicyOf(settings_.lineage));
  STEMMA_RETURN_IF_ERROR(MakeWorkload(make));
  STEMMA_ASSIGN_OR_RETURN(const Course course, CourseOf(settings_, dataset_size_));
  total_steps_ = course.total_steps;
  optim_ = course.optim;
  STEMMA_RETURN_IF_ERROR(MakeEvaluation(course.validate_every));
  STEMMA_RETURN_IF_ERROR(CheckBatch({settings_.train.global_batch, settings_.train.micro_batches},
                                    world_.ranks(), dataset_size_));
  STEMMA_RETURN_IF_ERROR(OpenFolder());
  if (stopped_before_start_) return {};
  STEMMA_ASSIGN_OR_RETURN(
      session_, OpenSession(settings_, list_,
                            {options_.fresh, total_steps_, options_.environment_json, data_digest_},
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
  auto workload = make(settings_, world_.cohort());
  STEMMA_RETURN_IF_ERROR(Agree(world_.cohort(), workload.status()));
  workload_ = *std::move(workload);
  const auto data = workload_->TrainData();  // maybe out of files of each host's own
  dataset_size_ = data->Size();
  data_digest_ = Hex(data->Digest());
  return AgreeOn(world_.cohort(), {{"size of the data set", std::to_string(dataset_size_)},
                                   {"digest of the data set", data_digest_}});
}

Status Training::MakeEvaluation(int64_t every) {
  validate_every_ = every;
  if (every == 0) return {};
  const ops::Section section(world_.recorder(), "opening of the held-out data", 600);
  STEMMA_ASSIGN_OR_RETURN(evaluation_, Evaluation::Make(settings_, *workload_, world_));
  return {};
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

// Only a run that begins with nothing: a later state has what became of the file's tensors.
Status Training::BeginFromFile() {
  const std::string& path = options_.init_from.path;
  if (path.empty()) return {};
  if (session_.kind == StartKind::kFork) {
    return {Code::kInvalidArgument, "--init-from " + path + ": " + settings_.run.name +
                                        " begins with the state that it is a fork of; leave it "
                                        "out, or start another run with --set run.name=NEWNAME"};
  }
  if (session_.from) {
    session_.notes.push_back("--init-from " + path +
                             " is not read again: the run goes on from its own state");
    return {};
  }
  auto begun = BeginFrom(options_.init_from, workload_->Parameters(), workload_->Buffers(), world_);
  if (!begun.ok()) return Status(begun.status()).Within("--init-from");
  root_attributes_ = std::move(begun->attributes);
  session_.notes.push_back("its weights begin as those of " + begun->summary);
  return {};
}

Status Training::Build() {
  STEMMA_RETURN_IF_ERROR(BeginFromFile());
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
  const int64_t threads = LoaderThreads(settings_, ShareOfCores(settings_, world_));
  auto loader = Loader::Start(workload_->TrainData(),
                              {train.global_batch, train.micro_batches, threads, train.prefetch,
                               train.last_batch == "short", train.window(), train.data_stall_s,
                               settings_.device.kind == "cuda"},
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

Status Training::FirstRecord() {
  record_.run = session_.run;
  record_.run_name = settings_.run.name;
  record_.incarnation = session_.incarnation;
  record_.plan_digest = reducer_->plan().digest;
  record_.world = static_cast<uint32_t>(world_.ranks());
  record_.attributes[kDataDigestKey] = data_digest_;
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

Status Training::Run() {
  world_.SetTrace(settings_.comm.diagnose.trace == "on");
  loop_ = std::make_unique<Loop>(LoopParts{settings_,
                                           world_,
                                           *workload_,
                                           *reducer_,
                                           *optimizer_,
                                           *loader_,
                                           *binding_,
                                           capturer_.get(),
                                           policy_,
                                           keeper_.get(),
                                           session_,
                                           folder_,
                                           metrics_,
                                           *progress_,
                                           record_,
                                           dataset_size_,
                                           total_steps_,
                                           evaluation_.get(),
                                           validate_every_,
                                           start_.patience.value_or(Patience()),
                                           [this](const Status& failed) {
                                             if (!IsLost(failed)) WriteError(failed);
                                           },
                                           resume_.get(),
                                           options_.hand_over,
                                           root_attributes_},
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
