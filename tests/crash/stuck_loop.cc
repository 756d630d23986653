// A training loop without a training: collective calls, phases and steps, in which one rank dies,
// stops or loops for ever, where it is told to.
//
//   stuck_loop WHAT PHASE RANK STEP WARN_S ABORT_S [FOLDER]
//     WHAT   kill, stop, loop, none
//     PHASE  start, data, backward, wait, optimizer, control, end; launch: before the World;
//            group: in the forward pass rank 1 waits for rank 2 in a call of their group
// With STUCK_NODES every rank watches as if it had a node of its own.
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "comm/world.h"
#include "core/exit_code.h"

namespace stemma {
namespace {

using comm::Phase;

struct Plan {
  std::string what, phase;
  int rank = 0;
  int64_t step = 0;
};

constexpr int64_t kSteps = 8;

class Loop {
 public:
  Loop(const Plan& plan, comm::World& world) : plan_(plan), world_(world) {}

  Status Run() {
    Enter(Phase::kStart);
    if (plan_.phase == "group") {
      const int ranks = world_.ranks();
      STEMMA_ASSIGN_OR_RETURN(group_, world_.Subset({ranks - 2, ranks - 1}));
    }
    for (step_ = 1; step_ <= kSteps; ++step_) {
      STEMMA_RETURN_IF_ERROR(Step());
      world_.recorder().FinishedStep(step_);
    }
    Enter(Phase::kEnd);
    return world_.Close();
  }

  static void Strike(const std::string& what) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    std::fprintf(stderr, "strikes at %.3f\n",
                 static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9);
    if (what == "kill") raise(SIGKILL);
    if (what == "stop") raise(SIGSTOP);
    while (what == "loop") pause();
  }

 private:
  Status Step() {
    Enter(Phase::kData);
    usleep(2000);
    Enter(Phase::kForward);
    STEMMA_RETURN_IF_ERROR(CallGroup());
    Enter(Phase::kBackward);
    comm::CallOptions options;
    options.what = "bucket 0 (a .. b)";
    options.op = comm::Op::kSum;
    float values[64] = {1};
    STEMMA_ASSIGN_OR_RETURN(comm::Work work,
                            world_.data().AllReduce({values, 64, DType::kF32}, options));
    Enter(Phase::kWait);
    STEMMA_RETURN_IF_ERROR(work.Wait());
    Enter(Phase::kOptimizer);
    usleep(1000);
    Enter(Phase::kControl);
    return world_.control().EndStep(step_ - 1, {}).status();
  }

  // Of the last two ranks: the last one may strike before it comes.
  Status CallGroup() {
    if (group_ == nullptr || world_.rank() < world_.ranks() - 2) return {};
    if (Now("group")) Strike(plan_.what);
    comm::CallOptions options;
    options.what = "the split head";
    STEMMA_ASSIGN_OR_RETURN(comm::Work work, group_->Barrier(options));
    return work.Wait();
  }

  bool Now(const std::string& phase) const {
    return world_.rank() == plan_.rank && phase == plan_.phase &&
           (step_ == plan_.step || phase == "start" || phase == "end");
  }

  void Enter(Phase phase) {
    world_.recorder().Enter(phase);
    if (Now(std::string(NameOf(phase)))) Strike(plan_.what);
  }

  const Plan plan_;
  comm::World& world_;
  comm::Communicator* group_ = nullptr;
  int64_t step_ = 0;
};

int Run(const Plan& plan, double warn_s, double abort_s, const char* folder) {
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  const bool mine = std::atoi(rank == nullptr ? "0" : rank) == plan.rank;
  if (mine && plan.phase == "launch") Loop::Strike(plan.what);
  if (std::getenv("STUCK_NODES") != nullptr) {
    setenv("OMPI_COMM_WORLD_LOCAL_RANK", "0", 1);
    setenv("OMPI_COMM_WORLD_LOCAL_SIZE", "1", 1);
    setenv("SLURM_STEP_ID", rank == nullptr ? "0" : rank, 1);  // a board for each
  }
  comm::CommSettings settings;
  settings.init_timeout_s = plan.phase == "launch" ? 3 : 60;
  settings.diagnose.warn_s = warn_s;
  settings.diagnose.abort_s = abort_s;
  auto world = comm::World::Open(settings, {});
  if (!world.ok()) {
    std::fprintf(stderr, "%s\n", world.status().message().c_str());
    return ExitCodeFor(world.status());
  }
  signal(SIGTERM, SIG_IGN);  // as a training does: it is a wish
  signal(SIGQUIT, [](int) { comm::AskForVerdict(); });
  if (folder != nullptr) (*world)->ReportInto(folder);
  const Status status = Loop(plan, **world).Run();
  if (status.ok()) return kExitDone;
  (*world)->Abort(status, ExitCodeFor(status));
  return kExitFailed;
}

}  // namespace
}  // namespace stemma

int main(int argc, char** argv) {
  if (argc < 7) return stemma::kExitUsage;
  const stemma::Plan plan{argv[1], argv[2], std::atoi(argv[3]), std::atoll(argv[4])};
  return stemma::Run(plan, std::atof(argv[5]), std::atof(argv[6]), argc > 7 ? argv[7] : nullptr);
}
