#include "comm/world.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "comm/gpu.h"
#include "comm/launch.h"
#include "comm/mpi_cohort.h"
#include "comm/mpi_communicator.h"
#include "comm/mpi_runtime.h"
#include "comm/node_cohort.h"
#include "comm/thread_communicator.h"
#include "comm/words.h"
#include "comm/world_base.h"
#include "comm/world_choice.h"
#include "comm/world_threads.h"
#include "core/check.h"
#include "core/exit_code.h"
#include "core/mutex.h"

namespace stemma::comm {
namespace {

std::chrono::milliseconds Milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

// One World per process: MPI starts once. Its description, for whoever asks for a second.
Mutex open_mutex;
std::string open_world STEMMA_GUARDED_BY(open_mutex);

Status Claim() {
  MutexLock lock(open_mutex);
  if (open_world.empty()) {
    open_world = "a World that is being opened";
    return {};
  }
  return {Code::kInvalidArgument,
          "this process has a World already: " + open_world + "; open one and pass it around"};
}

void SetClaim(const std::string& description) {
  MutexLock lock(open_mutex);
  open_world = description;
}

// --- A world of one: no launcher, no MPI. ---

class SoloWorld final : public ThreadWorld {
 public:
  using ThreadWorld::ThreadWorld;
  ~SoloWorld() override { SetClaim(""); }
};

// --- Processes under a launcher. ---

void EndJobOnFailedCheck(const std::string&) { MpiRuntime::EndJob(kExitFailed); }

class MpiWorld final : public WorldBase {
 public:
  explicit MpiWorld(std::unique_ptr<MpiRuntime> runtime) : runtime_(std::move(runtime)) {
    place_.rank = runtime_->rank();
    place_.ranks = runtime_->ranks();
    SetCheckFailureHook(&EndJobOnFailedCheck);
  }
  ~MpiWorld() override {
    SetCheckFailureHook(nullptr);
    data_.reset();  // these use the groups below
    control_.reset();
    cohort_.reset();
    SetClaim("");
  }

  Status Connect(const CommSettings& settings);
  Status ConnectData(const CommSettings& settings, Backend backend);
  MpiRuntime& runtime() { return *runtime_; }

  [[noreturn]] void Abort(const Status& cause, int exit_code) override {
    PrintCause(cause);
    MpiRuntime::EndJob(exit_code);
  }
  Status Close() override;

 private:
  const std::unique_ptr<MpiRuntime> runtime_;
  std::unique_ptr<MpiGroup> agreement_, words_;
  MpiCommunicator* mpi_data_ = nullptr;  // data_, when it is one
  bool closed_ = false;
};

Status MpiWorld::Connect(const CommSettings& settings) {
  const auto deadline = Milliseconds(settings.deadline_s);
  {
    const auto limit = Milliseconds(settings.init_timeout_s);
    const Watchdog watchdog(limit, "rank " + std::to_string(place_.rank) +
                                       ": communicators could not be made within " +
                                       std::to_string(limit.count()) + " ms: a rank is missing");
    STEMMA_ASSIGN_OR_RETURN(agreement_, MpiGroup::DuplicateWorld());
    STEMMA_ASSIGN_OR_RETURN(words_, MpiGroup::DuplicateWorld());
  }
  STEMMA_RETURN_IF_ERROR(runtime_->FindNode());
  place_.node_rank = runtime_->node_rank();
  place_.node_ranks = runtime_->node_ranks();
  cohort_ = std::make_unique<MpiCohort>(*agreement_, deadline, "agreement");
  auto texts = std::make_unique<MpiCohort>(*words_, deadline, "control texts");
  control_ = MakeControl(MakeMpiWords(*words_, deadline), std::move(texts), settings.control_lag);
  return {};
}

Status MpiWorld::ConnectData(const CommSettings& settings, Backend backend) {
  const auto deadline = Milliseconds(settings.deadline_s);
  if (backend == Backend::kNodeShared) {
    MpiCohort node(*agreement_, deadline, "agreement");
    STEMMA_RETURN_IF_ERROR(ConnectNode(node, settings));
  } else if (backend == Backend::kNccl) {
    STEMMA_ASSIGN_OR_RETURN(data_, MakeGpuCommunicator(*cohort_, deadline));
  } else if (backend == Backend::kThreads) {
    auto group = std::make_shared<ThreadGroup>(1, deadline);
    data_ = std::make_unique<ThreadCommunicator>(MakeThreadCalls(std::move(group)), 0);
  } else {
    // Blocks until all ranks have come, and MPI knows no deadline for it.
    const Watchdog watchdog(Milliseconds(settings.init_timeout_s),
                            "rank " + std::to_string(place_.rank) +
                                ": the data communicator could not be made: a rank is missing");
    STEMMA_ASSIGN_OR_RETURN(auto group, MpiGroup::DuplicateWorld());
    auto data = std::make_unique<MpiCommunicator>(std::move(group), deadline);
    mpi_data_ = data.get();
    data_ = std::move(data);
  }
  return {};
}

Status MpiWorld::Close() {
  if (closed_) return {Code::kInvalidArgument, "the world is closed"};
  closed_ = true;
  // A rank that failed alone must not enter MPI_Finalize, in which the others would wait for it.
  STEMMA_RETURN_IF_ERROR(Agree(*cohort_, data_->Health()));
  if (mpi_data_ != nullptr) STEMMA_RETURN_IF_ERROR(mpi_data_->Close());
  const Status closed(Code::kInvalidArgument, "the world is closed");
  data_->Abort(closed);
  CloseNode(closed);
  STEMMA_RETURN_IF_ERROR(words_->Close());
  STEMMA_RETURN_IF_ERROR(agreement_->Close());
  return runtime_->Finish();
}

// --- Open. ---

// The GPU of every rank is its own: two ranks on one is what NCCL refuses with fewer words.
Status CheckGpus(Cohort& cohort, const std::string& host, const Gpu& gpu) {
  STEMMA_ASSIGN_OR_RETURN(const auto all, cohort.AllGather(host + ", UUID " + gpu.uuid));
  return RefuseSharedGpus(all);
}

Status PrepareGpu(Cohort& cohort, WorldBase::Place& place, Identity& identity) {
  Result<Gpu> gpu = TakeGpu(place.node_rank);
  STEMMA_RETURN_IF_ERROR(Agree(cohort, gpu.status()));
  STEMMA_RETURN_IF_ERROR(CheckGpus(cohort, place.host, *gpu));
  place.gpu_index = gpu->index;
  Result<Facts> facts = GpuFacts();
  STEMMA_RETURN_IF_ERROR(Agree(cohort, facts.status()));
  identity.insert(identity.end(), facts->begin(), facts->end());
  return {};
}

Identity SharedFacts(const CommSettings& settings, const Identity& identity) {
  Identity facts = identity;
  facts.emplace_back("comm.backend", settings.backend);
  facts.emplace_back("device.kind", settings.device);
  facts.emplace_back("comm.node_small_bytes", std::to_string(settings.node_small_bytes));
  facts.emplace_back("comm.deadline_s", std::to_string(settings.deadline_s));
  facts.emplace_back("comm.control_lag", std::to_string(settings.control_lag));
  return facts;
}

Result<std::unique_ptr<World>> OpenSolo(const CommSettings& settings, const Identity& identity) {
  STEMMA_ASSIGN_OR_RETURN(const Backend backend, ChooseBackend(settings, 1, 1, false));
  auto group = std::make_shared<ThreadGroup>(1, Milliseconds(settings.deadline_s));
  auto calls = MakeThreadCalls(group);
  auto world =
      std::make_unique<SoloWorld>(std::move(group), std::move(calls), 0, settings.control_lag);
  if (backend == Backend::kNodeShared) STEMMA_RETURN_IF_ERROR(world->MoveToNode(settings));
  if (backend == Backend::kNccl) {
    Identity facts = identity;
    STEMMA_RETURN_IF_ERROR(PrepareGpu(world->cohort(), world->place_, facts));
    STEMMA_ASSIGN_OR_RETURN(
        world->data_, MakeGpuCommunicator(world->cohort(), Milliseconds(settings.deadline_s)));
  }
  world->description_ = DescribeWorld(1, 1, backend);
  return std::unique_ptr<World>(std::move(world));
}

Result<int> CountHosts(Cohort& cohort, int node_rank) {
  STEMMA_ASSIGN_OR_RETURN(const auto all, cohort.AllGather(std::to_string(node_rank)));
  return static_cast<int>(std::count(all.begin(), all.end(), "0"));
}

// What follows the hello; every step fails on all ranks or on none, or by a deadline.
Status Settle(MpiWorld& world, const CommSettings& settings, const Identity& identity) {
  STEMMA_RETURN_IF_ERROR(world.Connect(settings));
  Identity facts = SharedFacts(settings, identity);
  facts.emplace_back("MPI library", world.runtime().library_text());
  STEMMA_RETURN_IF_ERROR(AgreeOn(world.cohort(), facts));

  STEMMA_ASSIGN_OR_RETURN(const int hosts, CountHosts(world.cohort(), world.node_rank()));
  Result<Backend> backend = ChooseBackend(settings, world.ranks(), hosts, true);
  STEMMA_RETURN_IF_ERROR(Agree(world.cohort(), backend.status()));
  if (*backend == Backend::kNccl) {
    Identity gpu_facts;
    STEMMA_RETURN_IF_ERROR(PrepareGpu(world.cohort(), world.place_, gpu_facts));
    STEMMA_RETURN_IF_ERROR(AgreeOn(world.cohort(), gpu_facts));
  }
  STEMMA_RETURN_IF_ERROR(world.ConnectData(settings, *backend));
  world.description_ = DescribeWorld(world.ranks(), hosts, *backend);
  return {};
}

Result<std::unique_ptr<World>> OpenMpi(const CommSettings& settings, const Identity& identity,
                                       const Launch& launch) {
  STEMMA_ASSIGN_OR_RETURN(auto runtime, MpiRuntime::Start(Milliseconds(settings.init_timeout_s)));
  // A world of one that should be larger: it is alone, and may end alone.
  Status status = CheckSize(launch, runtime->ranks(), runtime->library_text());
  if (!status.ok()) {
    runtime->Finish().ok();
    return status;
  }
  STEMMA_RETURN_IF_ERROR(runtime->Hello());
  auto world = std::make_unique<MpiWorld>(std::move(runtime));
  status = Settle(*world, settings, identity);
  if (status.ok()) return std::unique_ptr<World>(std::move(world));
  // What all ranks refuse together they may also end together, without the launcher's complaints.
  const bool together =
      status.code() == Code::kIncompatible || status.code() == Code::kInvalidArgument;
  if (together) world->runtime().Finish().ok();
  return status;
}

}  // namespace

void WorldBase::PrintCause(const Status& cause) const {
  static std::atomic<bool> printed{false};
  if (printed.exchange(true)) return;
  std::fprintf(stderr, "stemma: rank %d of %d on %s ends the job: %s: %s\n", place_.rank,
               place_.ranks, place_.host.c_str(), CodeName(cause.code()), cause.message().c_str());
  std::fflush(nullptr);
}

Status World::CheckNobodyJoined(std::string_view call) const {
  if (joined_.empty()) return {};
  std::string names;
  for (int rank : joined_) names += (names.empty() ? "" : ",") + std::to_string(rank);
  return {
      Code::kInvalidArgument,
      std::string(call) + ": ranks {" + names +
          "} have no data left and only take part in the reducer's steps: make this call before "
          "or after the steps in which ranks join"};
}

std::string WorldBase::HostName() {
  char name[256] = "unknown";
  gethostname(name, sizeof name - 1);
  return name;
}

Status WorldBase::ConnectNode(Cohort& node, const CommSettings& settings) {
  STEMMA_ASSIGN_OR_RETURN(links_, NodeLinks::Connect(node, settings));
  data_ = std::move(links_.data);
  cohort_ = std::make_unique<NodeCohort>(*links_.agreement, "agreement");
  auto texts = std::make_unique<NodeCohort>(*links_.words, "control texts");
  control_ = MakeControl(MakeNodeWords(*links_.words), std::move(texts), settings.control_lag);
  return {};
}

void WorldBase::CloseNode(const Status& closed) {
  if (links_.agreement == nullptr) return;
  links_.agreement->Abort(closed);
  links_.words->Abort(closed);
}

// A library in one process may have asked the processor to flush subnormal numbers to zero, and
// that process would then compute other bits. Threads started later inherit it.
static void KeepSubnormals() {
#if defined(__x86_64__)
  constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
  _mm_setcsr(_mm_getcsr() & ~(kFlushToZero | kDenormalsAreZero));
#endif
}

Result<std::unique_ptr<World>> World::Open(const CommSettings& settings, const Identity& identity) {
  KeepSubnormals();
  STEMMA_RETURN_IF_ERROR(CheckSettings(settings));
  STEMMA_RETURN_IF_ERROR(Claim());
  Result<Launch> launch = ReadLaunch(&EnvironmentVariable);
  Result<std::unique_ptr<World>> world = launch.status();
  if (launch.ok()) {
    const bool mpi = !launch->alone() || MpiRuntime::Running();
    world = mpi ? OpenMpi(settings, identity, *launch) : OpenSolo(settings, identity);
  }
  SetClaim(world.ok() ? (*world)->description() : "");
  return world;
}

}  // namespace stemma::comm
