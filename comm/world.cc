#include "comm/world.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <utility>

#include "comm/checked_communicator.h"
#include "comm/gpu.h"
#include "comm/launch.h"
#include "comm/mpi_clock.h"
#include "comm/mpi_runtime.h"
#include "comm/open_world.h"
#include "comm/thread_communicator.h"
#include "comm/watchdog.h"
#include "comm/world_base.h"
#include "comm/world_choice.h"
#include "comm/world_mpi.h"
#include "comm/world_threads.h"
#include "core/cohort.h"

namespace stemma::comm {
namespace {

std::chrono::milliseconds Milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

// --- A world of one: no launcher, no MPI. ---

class SoloWorld final : public ThreadWorld {
 public:
  using ThreadWorld::ThreadWorld;
  ~SoloWorld() override {
    SetOpenBoard(nullptr);
    SetOpenWorld("");
  }
  Result<std::unique_ptr<Communicator>> MakeGroup(const std::vector<int>& members,
                                                  int place) override {
    if (gpu_data_ == nullptr) return ThreadWorld::MakeGroup(members, place);
    return SplitGpuCommunicator(*gpu_data_, place, 1);
  }
  Status MoveToGpu(const CommSettings& settings) {
    STEMMA_ASSIGN_OR_RETURN(auto data,
                            MakeGpuCommunicator(cohort(), Milliseconds(settings.deadline_s)));
    gpu_data_ = data.get();
    if (settings.check == "full") {
      data = std::make_unique<CheckedCommunicator>(std::move(data), std::make_unique<SoloCohort>());
    }
    SetData(std::move(data));
    return {};
  }

 private:
  Communicator* gpu_data_ = nullptr;  // within data_, when that moves GPU memory
};

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

// A start that fails leaves word that its end is no surprise, or peers that are still on their way
// would take it for a death; and takes the board from signal handlers before it is unmapped.
class UnlessOpened {
 public:
  explicit UnlessOpened(std::shared_ptr<NodeBoard> board) : board_(std::move(board)) {}
  ~UnlessOpened() {
    if (board_ == nullptr) return;
    SetOpenBoard(nullptr);
    FlightRecorder(board_->mine()).Leave();
  }
  UnlessOpened(const UnlessOpened&) = delete;
  void Dismiss() { board_ = nullptr; }  // the World does both

 private:
  std::shared_ptr<NodeBoard> board_;
};

// Before MPI: from here on somebody watches.
Diagnostics StartWatching(const CommSettings& settings, const BoardPlace& place) {
  Diagnostics watching;
  watching.board = NodeBoard::Join(place);
  SetOpenBoard(watching.board.get());
  watching.recorder = std::make_unique<FlightRecorder>(watching.board->mine());
  watching.recorder->Arrive(place.rank);
  watching.recorder->Enter(Phase::kStart);
  watching.watchdog = std::make_unique<Watchdog>(
      *watching.board, WatchdogOptions{settings.diagnose.warn_s, settings.diagnose.abort_s,
                                       place.rank, &MpiRuntime::EndJob});
  return watching;
}

Result<std::unique_ptr<World>> OpenSolo(const CommSettings& settings, const Identity& identity) {
  STEMMA_ASSIGN_OR_RETURN(const Backend backend, ChooseBackend(settings, 1, 1, false));
  auto world = std::make_unique<SoloWorld>(std::make_shared<ThreadJob>(1, settings), 0,
                                           StartWatching(settings, BoardPlace{}));
  if (backend == Backend::kNodeShared) STEMMA_RETURN_IF_ERROR(world->MoveToNode());
  if (backend == Backend::kNccl) {
    Identity facts = identity;
    STEMMA_RETURN_IF_ERROR(PrepareGpu(world->cohort(), world->place_, facts));
    STEMMA_RETURN_IF_ERROR(world->MoveToGpu(settings));
  }
  world->description_ = DescribeWorld(1, 1, backend);
  return std::unique_ptr<World>(std::move(world));
}

// What follows the hello; every step fails on all ranks or on none, or by a deadline.
Status Settle(MpiWorld& world, const CommSettings& settings, const Identity& identity) {
  STEMMA_RETURN_IF_ERROR(world.Connect());
  Identity facts = SharedFacts(settings, identity);
  facts.emplace_back("MPI library", world.runtime().version_text());
  STEMMA_RETURN_IF_ERROR(AgreeOn(world.cohort(), facts));

  STEMMA_RETURN_IF_ERROR(world.FindLayout());
  const int hosts = static_cast<int>(world.layout().nodes.size());
  Result<Backend> backend = ChooseBackend(settings, world.ranks(), hosts, true);
  STEMMA_RETURN_IF_ERROR(Agree(world.cohort(), backend.status()));
  if (*backend == Backend::kNccl) {
    Identity gpu_facts;
    STEMMA_RETURN_IF_ERROR(PrepareGpu(world.cohort(), world.place_, gpu_facts));
    STEMMA_RETURN_IF_ERROR(AgreeOn(world.cohort(), gpu_facts));
  }
  STEMMA_RETURN_IF_ERROR(world.ConnectData(*backend));
  world.description_ = DescribeWorld(world.ranks(), hosts, *backend);
  return {};
}

Result<std::unique_ptr<World>> OpenMpi(const CommSettings& settings, const Identity& identity,
                                       const Launch& launch) {
  const BoardPlace place = launch.alone() ? BoardPlace{} : PlaceOf(&EnvironmentVariable);
  Diagnostics watching = StartWatching(settings, place);
  const std::shared_ptr<NodeBoard> board = watching.board;
  UnlessOpened failed(board);
  FlightRecorder& recorder = *watching.recorder;
  // Nothing moves in MPI_Init, which has a limit of its own.
  recorder.BeginSection("start of MPI", static_cast<int64_t>(settings.init_timeout_s * 1e9));
  STEMMA_ASSIGN_OR_RETURN(auto runtime,
                          MpiRuntime::Start(Milliseconds(settings.init_timeout_s), [board] {
                            return board->ClaimCause() ? board->Arrivals() : std::string();
                          }));
  // A world of one that should be larger: it is alone, and may end alone.
  Status status = CheckSize(launch, runtime->ranks(), runtime->version_text());
  if (!status.ok()) {
    runtime->Finish().ok();
    return status;
  }
  STEMMA_RETURN_IF_ERROR(runtime->Hello());
  board->Unlink();  // all have come
  STEMMA_ASSIGN_OR_RETURN(
      const int64_t offset,
      OffsetToRank0(runtime->rank(), runtime->ranks(), Milliseconds(2 * settings.init_timeout_s)));
  recorder.SetClockOffset(offset);
  auto world = std::make_unique<MpiWorld>(std::move(runtime), std::move(watching), settings);
  failed.Dismiss();
  recorder.Arrive(world->rank());  // as MPI numbers it
  status = Settle(*world, settings, identity);
  if (status.ok()) return std::unique_ptr<World>(std::move(world));
  board->ClaimCause();  // every rank has the text and says it
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
  STEMMA_RETURN_IF_ERROR(ClaimOpenWorld());
  Result<Launch> launch = ReadLaunch(&EnvironmentVariable);
  Result<std::unique_ptr<World>> world = launch.status();
  if (launch.ok()) {
    const bool mpi = !launch->alone() || MpiRuntime::Running();
    world = mpi ? OpenMpi(settings, identity, *launch) : OpenSolo(settings, identity);
  }
  SetOpenWorld(world.ok() ? (*world)->description() : "");
  if (world.ok()) {
    (*world)->recorder().EndSection();
    (*world)->recorder().Enter(Phase::kIdle);
  } else {
    SetOpenBoard(nullptr);
  }
  return world;
}

}  // namespace stemma::comm
