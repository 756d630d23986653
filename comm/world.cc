#include "comm/world.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <algorithm>
#include <utility>

#include "comm/checked_communicator.h"
#include "comm/gpu.h"
#include "comm/hierarchical_communicator.h"
#include "comm/launch.h"
#include "comm/layout.h"
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
#include "core/log.h"
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
  Result<std::unique_ptr<Communicator>> MakeGroup(const std::vector<int>& members,
                                                  int place) override {
    if (gpu_data_ == nullptr) return ThreadWorld::MakeGroup(members, place);
    return SplitGpuCommunicator(*gpu_data_, place, 1);
  }
  Communicator* gpu_data_ = nullptr;  // within data_, when that moves GPU memory
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
    groups_.clear();
    data_.reset();  // these use the groups below
    control_.reset();
    cohort_.reset();
    SetClaim("");
  }

  Status Connect(const CommSettings& settings);
  Status FindLayout(const CommSettings& settings);
  Status ConnectData(const CommSettings& settings, Backend backend);
  Result<std::unique_ptr<Communicator>> MakeGroup(const std::vector<int>& members,
                                                  int place) override;
  MpiRuntime& runtime() { return *runtime_; }
  const Layout& layout() const { return layout_; }

  [[noreturn]] void Abort(const Status& cause, int exit_code) override {
    PrintCause(cause);
    MpiRuntime::EndJob(exit_code);
  }
  Status Close() override;

 private:
  Status ConnectHierarchy(const CommSettings& settings);
  void Check(std::unique_ptr<MpiGroup> group, std::unique_ptr<Communicator>& data);

  const std::unique_ptr<MpiRuntime> runtime_;
  CommSettings settings_;
  Backend backend_ = Backend::kMpi;
  Layout layout_;
  Communicator* gpu_data_ = nullptr;  // within data_, when that moves GPU memory
  std::unique_ptr<MpiGroup> agreement_, words_;
  std::vector<std::unique_ptr<MpiGroup>> parts_;  // of nodes and groups, and for comparing calls
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
  cohort_ = std::make_unique<MpiCohort>(*agreement_, deadline, "agreement");
  auto texts = std::make_unique<MpiCohort>(*words_, deadline, "control texts");
  control_ = MakeControl(MakeMpiWords(*words_, deadline), std::move(texts), settings.control_lag);
  return {};
}

// Who shares a node: what MPI found, or what the settings say instead. Collective.
Status MpiWorld::FindLayout(const CommSettings& settings) {
  STEMMA_ASSIGN_OR_RETURN(const auto leaders,
                          cohort_->AllGather(std::to_string(runtime_->node_leader())));
  layout_ = LayoutOf(leaders);
  if (settings.ranks_per_node > 0) {
    layout_ = EqualNodes(place_.ranks, static_cast<int>(settings.ranks_per_node));
  }
  if (!settings.fake_nodes.empty()) {
    STEMMA_ASSIGN_OR_RETURN(layout_, ParseLayout(settings.fake_nodes, place_.ranks));
  }
  place_.node_rank = layout_.PlaceOf(place_.rank);
  place_.node_ranks = static_cast<int>(layout_.nodes[layout_.NodeOf(place_.rank)].size());
  return {};
}

Status MpiWorld::ConnectHierarchy(const CommSettings& settings) {
  const auto deadline = Milliseconds(settings.deadline_s);
  const int mine = layout_.NodeOf(place_.rank);
  STEMMA_ASSIGN_OR_RETURN(auto world, MpiGroup::DuplicateWorld());
  std::unique_ptr<Communicator> node;
  if (layout_.InRankOrder()) {
    STEMMA_ASSIGN_OR_RETURN(auto group, MpiGroup::SplitWorld(mine));
    MpiCohort cohort(*group, deadline, "node");
    auto made = NodeLinks::ConnectGroup(cohort, settings, NodeSharedCommunicator::Driver::kHook,
                                        layout_.nodes[mine].front());
    STEMMA_RETURN_IF_ERROR(Agree(*cohort_, made.status()));
    node = std::move(*made);
    parts_.push_back(std::move(group));
  } else if (place_.rank == 0) {
    LogWarning(
        "ranks of a node are not neighbours: contributions travel between nodes unsummed, "
        "up to as many times the bytes as a node has ranks. Start with `mpirun --map-by "
        "slot` or under Slurm with --distribution=block",
        {{"nodes", layout_.Text()}});
  }
  HierarchicalCommunicator::Options options;
  options.deadline = deadline;
  options.chunk_bytes = settings.chunk_bytes;
  data_ = std::make_unique<HierarchicalCommunicator>(std::move(world), std::move(node), layout_,
                                                     options);
  return {};
}

Status MpiWorld::ConnectData(const CommSettings& settings, Backend backend) {
  settings_ = settings;
  backend_ = backend;
  const auto deadline = Milliseconds(settings.deadline_s);
  if (backend == Backend::kNodeShared) {
    MpiCohort node(*agreement_, deadline, "agreement");
    STEMMA_RETURN_IF_ERROR(ConnectNode(node, settings));
  } else if (backend == Backend::kNccl) {
    STEMMA_ASSIGN_OR_RETURN(data_, MakeGpuCommunicator(*cohort_, deadline));
    gpu_data_ = data_.get();
  } else if (backend == Backend::kThreads) {
    auto group = std::make_shared<ThreadGroup>(1, deadline);
    data_ = std::make_unique<ThreadCommunicator>(MakeThreadCalls(std::move(group)), 0);
  } else if (backend == Backend::kHierarchical) {
    STEMMA_RETURN_IF_ERROR(ConnectHierarchy(settings));
  } else {
    // Blocks until all ranks have come, and MPI knows no deadline for it.
    const Watchdog watchdog(Milliseconds(settings.init_timeout_s),
                            "rank " + std::to_string(place_.rank) +
                                ": the data communicator could not be made: a rank is missing");
    STEMMA_ASSIGN_OR_RETURN(auto group, MpiGroup::DuplicateWorld());
    data_ = std::make_unique<MpiCommunicator>(std::move(group), deadline);
  }
  if (settings.check == "off") return {};
  STEMMA_ASSIGN_OR_RETURN(auto group, MpiGroup::DuplicateWorld());
  Check(std::move(group), data_);
  return {};
}

// Wraps `data` so that its ranks compare their calls over `group`.
void MpiWorld::Check(std::unique_ptr<MpiGroup> group, std::unique_ptr<Communicator>& data) {
  auto cohort =
      std::make_unique<MpiCohort>(*group, Milliseconds(settings_.deadline_s), "comm.check");
  parts_.push_back(std::move(group));
  data = std::make_unique<CheckedCommunicator>(std::move(data), std::move(cohort));
}

Result<std::unique_ptr<Communicator>> MpiWorld::MakeGroup(const std::vector<int>& members,
                                                          int place) {
  const auto limit = Milliseconds(settings_.init_timeout_s);
  const auto deadline = Milliseconds(settings_.deadline_s);
  const Watchdog watchdog(limit, "rank " + std::to_string(place_.rank) + ": a group of " +
                                     std::to_string(members.size()) +
                                     " ranks could not be made: a rank is missing");
  const int color = place >= 0 ? 0 : MpiGroup::kNone;
  std::unique_ptr<Communicator> data;
  if (backend_ == Backend::kNccl) {
    STEMMA_ASSIGN_OR_RETURN(
        data, SplitGpuCommunicator(*gpu_data_, place, static_cast<int>(members.size())));
  } else {
    STEMMA_ASSIGN_OR_RETURN(auto group, MpiGroup::SplitWorld(color));
    if (place >= 0 && backend_ == Backend::kNodeShared) {
      MpiCohort cohort(*group, deadline, "a group");
      STEMMA_ASSIGN_OR_RETURN(data, NodeGroup(cohort, settings_));
      parts_.push_back(std::move(group));
    } else if (place >= 0) {
      data = std::make_unique<MpiCommunicator>(std::move(group), deadline);
    }
  }
  if (settings_.check == "off") return data;
  STEMMA_ASSIGN_OR_RETURN(auto group, MpiGroup::SplitWorld(color));
  if (place >= 0) Check(std::move(group), data);
  return data;
}

Status MpiWorld::Close() {
  if (closed_) return {Code::kInvalidArgument, "the world is closed"};
  closed_ = true;
  // A rank that failed alone must not enter MPI_Finalize, in which the others would wait for it.
  STEMMA_RETURN_IF_ERROR(Agree(*cohort_, Healthy()));
  STEMMA_RETURN_IF_ERROR(CloseData());  // completes what is under way, and only then ends it
  CloseNode({Code::kInvalidArgument, "the world is closed"});
  for (const auto& group : parts_) STEMMA_RETURN_IF_ERROR(group->Close());
  STEMMA_RETURN_IF_ERROR(words_->Close());
  STEMMA_RETURN_IF_ERROR(agreement_->Close());
  return runtime_->Finish();
}

// --- Open. ---

// The GPU of every rank is its own: two ranks on one is what NCCL refuses with fewer words.
Status CheckGpus(Cohort& cohort, const std::string& host, const Gpu& gpu) {
  STEMMA_ASSIGN_OR_RETURN(const auto all, cohort.AllGather(host + " " + gpu.uuid));
  for (size_t a = 0; a < all.size(); ++a) {
    for (size_t b = a + 1; b < all.size(); ++b) {
      if (all[a] != all[b]) continue;
      return {Code::kInvalidArgument,
              "ranks " + std::to_string(a) + " and " + std::to_string(b) +
                  " share one GPU (host and UUID " + all[a] +
                  "), which NCCL cannot do: give each rank its own GPU or start fewer ranks"};
    }
  }
  return {};
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
  facts.emplace_back("comm.check", settings.check);
  facts.emplace_back("device.kind", settings.device);
  facts.emplace_back("comm.node_small_bytes", std::to_string(settings.node_small_bytes));
  facts.emplace_back("comm.chunk_bytes", std::to_string(settings.chunk_bytes));
  facts.emplace_back("comm.fake_nodes", settings.fake_nodes);
  facts.emplace_back("comm.ranks_per_node", std::to_string(settings.ranks_per_node));
  facts.emplace_back("comm.deadline_s", std::to_string(settings.deadline_s));
  facts.emplace_back("comm.control_lag", std::to_string(settings.control_lag));
  return facts;
}

Result<std::unique_ptr<World>> OpenSolo(const CommSettings& settings, const Identity& identity) {
  STEMMA_ASSIGN_OR_RETURN(const Backend backend, ChooseBackend(settings, 1, 1, false));
  auto world = std::make_unique<SoloWorld>(std::make_shared<ThreadJob>(1, settings), 0);
  if (backend == Backend::kNodeShared) STEMMA_RETURN_IF_ERROR(world->MoveToNode());
  if (backend == Backend::kNccl) {
    Identity facts = identity;
    STEMMA_RETURN_IF_ERROR(PrepareGpu(world->cohort(), world->place_, facts));
    STEMMA_ASSIGN_OR_RETURN(
        world->data_, MakeGpuCommunicator(world->cohort(), Milliseconds(settings.deadline_s)));
    world->gpu_data_ = world->data_.get();
    if (settings.check == "full") {
      world->data_ = std::make_unique<CheckedCommunicator>(std::move(world->data_),
                                                           std::make_unique<SoloCohort>());
    }
  }
  world->description_ = DescribeWorld(1, 1, backend);
  return std::unique_ptr<World>(std::move(world));
}

// What follows the hello; every step fails on all ranks or on none, or by a deadline.
Status Settle(MpiWorld& world, const CommSettings& settings, const Identity& identity) {
  STEMMA_RETURN_IF_ERROR(world.Connect(settings));
  Identity facts = SharedFacts(settings, identity);
  facts.emplace_back("MPI library", world.runtime().library());
  STEMMA_RETURN_IF_ERROR(AgreeOn(world.cohort(), facts));

  STEMMA_RETURN_IF_ERROR(world.FindLayout(settings));
  const int hosts = static_cast<int>(world.layout().nodes.size());
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
  Status status = CheckSize(launch, runtime->ranks(), runtime->library());
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
