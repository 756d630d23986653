#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <string>

#include <mpi.h>

#include "comm/launch.h"
#include "comm/world.h"
#include "comm/world_choice.h"

#include "tests/support/communicator_contract.h"
#include "tests/support/status_matchers.h"
#include "tests/support/world_contract.h"

#include <catch2/catch.hpp>

namespace stemma::comm {
namespace {
using tests::HasCode;
using tests::IsOk;

Environment Of(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) -> std::optional<std::string> {
    const auto at = variables.find(name);
    if (at == variables.end()) return std::nullopt;
    return at->second;
  };
}

TEST_CASE("mpirun inside a Slurm job is mpirun", "[launch]") {
  // Every rank of mpirun inherits the batch script's variables.
  const auto launch = ReadLaunch(Of({{"OMPI_COMM_WORLD_SIZE", "4"},
                                     {"SLURM_NTASKS", "2"},
                                     {"SLURM_STEP_NUM_TASKS", "2"},
                                     {"SLURM_PROCID", "0"}}));
  REQUIRE(launch.ok());
  CHECK(launch->launcher == "mpirun");
  CHECK(launch->ranks == 4);
  CHECK_FALSE(launch->alone());
}

TEST_CASE("an srun step is told by its own variable", "[launch]") {
  const auto step = ReadLaunch(Of({{"SLURM_STEP_NUM_TASKS", "8"},
                                   {"SLURM_NTASKS", "8"},
                                   {"SLURM_MPI_TYPE", "pmix"},
                                   {"PMIX_NAMESPACE", "slurm.pmix.7.0"}}));
  REQUIRE(step.ok());
  CHECK(step->launcher == "srun");
  CHECK(step->ranks == 8);
  const auto one = ReadLaunch(Of({{"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_NTASKS", "8"}}));
  REQUIRE(one.ok());
  CHECK(one->alone());
}

// Of Slurm 22.05: with --mpi=none, or where that is the default, a step has no SLURM_MPI_TYPE.
TEST_CASE("ranks of srun that no plugin for MPI serves are refused", "[launch]") {
  const auto with = [](std::map<std::string, std::string> more) {
    more["SLURM_STEP_NUM_TASKS"] = "2";
    return ReadLaunch(Of(std::move(more))).status();
  };
  CHECK_THAT(with({}), HasCode(Code::kInvalidArgument, "`srun --mpi=pmix`"));
  CHECK_THAT(with({{"SLURM_MPI_TYPE", "none"}}), HasCode(Code::kInvalidArgument, "2 ranks"));
  CHECK_THAT(with({{"SLURM_MPI_TYPE", "pmi2"}}), IsOk());
  CHECK_THAT(with({{"PMIX_NAMESPACE", "slurm.pmix.7.0"}}), IsOk());
  CHECK_THAT(with({{"PMI_RANK", "1"}}), IsOk());
}

TEST_CASE("a bare command in an allocation of many tasks is refused", "[launch]") {
  const auto bare = ReadLaunch(Of({{"SLURM_NTASKS", "2"}, {"SLURM_PROCID", "0"}}));
  CHECK_THAT(bare.status(), HasCode(Code::kInvalidArgument, "`srun --mpi=pmix`"));
  CHECK_THAT(bare.status(), HasCode(Code::kInvalidArgument, "2 tasks"));
  CHECK_THAT(ReadLaunch(Of({{"SLURM_NTASKS", "1"}})).status(), IsOk());
  CHECK_THAT(ReadLaunch(Of({{"OMPI_COMM_WORLD_SIZE", "four"}})).status(),
             HasCode(Code::kInvalidArgument, "OMPI_COMM_WORLD_SIZE='four'"));
}

TEST_CASE("worlds of one in place of many are noticed, with both numbers", "[launch]") {
  const Status status = CheckSize({"srun", "SLURM_STEP_NUM_TASKS", 4}, 1, "Open MPI v4.1.4");
  CHECK_THAT(status, HasCode(Code::kInvalidArgument, "srun started 4 ranks"));
  CHECK_THAT(status, HasCode(Code::kInvalidArgument, "MPI sees 1"));
  CHECK_THAT(status, HasCode(Code::kInvalidArgument, "`srun --mpi=pmix`"));
  CHECK_THAT(CheckSize({"mpirun", "OMPI_COMM_WORLD_SIZE", 4}, 1, "MPICH"),
             HasCode(Code::kInvalidArgument, "linked to MPICH"));
  CHECK_THAT(CheckSize({"mpirun", "OMPI_COMM_WORLD_SIZE", 4}, 4, "MPICH"), IsOk());
}

TEST_CASE("settings that cannot be right are refused before anybody is asked", "[world]") {
  const auto with = [](auto change) {
    CommSettings settings;
    change(settings);
    return CheckSettings(settings);
  };
  CHECK_THAT(CheckSettings({}), IsOk());
  CHECK_THAT(with([](auto& s) { s.backend = "gloo"; }),
             HasCode(Code::kInvalidArgument, "known are auto, node-shared, hierarchical, mpi, "));
  CHECK_THAT(with([](auto& s) { s.device = "gpu"; }), HasCode(Code::kInvalidArgument, "cuda"));
  CHECK_THAT(with([](auto& s) { s.backend = "nccl"; }),
             HasCode(Code::kInvalidArgument, "device.kind=cuda"));
  CHECK_THAT(with([](auto& s) { s.check = "on"; }),
             HasCode(Code::kInvalidArgument, "known are off, full"));
  CHECK_THAT(with([](auto& s) { s.control_lag = 2; }), HasCode(Code::kInvalidArgument, "0 or 1"));
  CHECK_THAT(with([](auto& s) { s.progress = "fibre"; }),
             HasCode(Code::kInvalidArgument, "known are auto, hook, thread"));
  CHECK_THAT(with([](auto& s) { s.node_small_bytes = 1 << 20; }),
             HasCode(Code::kInvalidArgument, "comm.node_small_bytes must be from 0 to 65536"));
  CHECK_THAT(with([](auto& s) { s.spin_us = -1; }),
             HasCode(Code::kInvalidArgument, "comm.spin_us must not be below 0"));
  const auto refused = [&](auto change, const std::string& why) {
    CHECK_THAT(with(change), HasCode(Code::kInvalidArgument, why));
  };
  constexpr double kNever = std::numeric_limits<double>::infinity();
  refused([](auto& s) { s.deadline_s = 0; }, "comm.deadline_s must be above 0, at most 10000000");
  refused([](auto& s) { s.deadline_s = kNever; }, "comm.deadline_s must be above 0");
  refused([](auto& s) { s.init_timeout_s = std::nan(""); }, "comm.init_timeout_s must be above 0");
  refused([](auto& s) { s.diagnose.abort_s = 1e300; }, "diagnose.abort_s must be 0 (never) or");
  refused([](auto& s) { s.diagnose.warn_s = -1; }, "diagnose.warn_s must be 0 (never) or");
  refused([](auto& s) { s.ranks_per_node = int64_t{1} << 32; }, "must be from 0 to 65536");
  CHECK_THAT(with([](auto& s) { s.diagnose.abort_s = 0; }), IsOk());
  CommSettings mpi;
  mpi.backend = "mpi";
  CHECK_THAT(ChooseBackend(mpi, 1, 1, false).status(),
             HasCode(Code::kInvalidArgument, "mpirun -n 1"));
  CHECK(*ChooseBackend({}, 1, 1, true) == Backend::kThreads);
  CHECK(*ChooseBackend({}, 2, 1, true) == Backend::kNodeShared);
  CHECK(*ChooseBackend({}, 2, 2, true) == Backend::kHierarchical);
  CHECK(*ChooseBackend(mpi, 2, 1, true) == Backend::kMpi);
  CommSettings node;
  node.backend = "node-shared";
  CHECK(*ChooseBackend(node, 1, 1, false) == Backend::kNodeShared);
  CHECK_THAT(ChooseBackend(node, 4, 2, true).status(),
             HasCode(Code::kInvalidArgument, "the ranks are on 2 hosts: set comm.backend=auto"));
}

TEST_CASE("a rank takes its own of the GPUs it sees, or the only one", "[world]") {
  CHECK(*ChooseGpu(0, 4) == 0);
  CHECK(*ChooseGpu(3, 4) == 3);
  CHECK_THAT(ChooseGpu(4, 4).status(), HasCode(Code::kInvalidArgument, "no GPU of its own: 4"));
  // As Slurm's --gpus-per-task=1 shows them: each rank its own, and no other.
  CHECK(*ChooseGpu(3, 1) == 0);
}

TEST_CASE("conformance_06_two_ranks_on_one_gpu_are_refused", "[world]") {
  const Status shared = RefuseSharedGpus(
      {"n3, UUID GPU-1f3c", "n3, UUID GPU-77aa", "n4, UUID GPU-0b0b", "n3, UUID GPU-77aa"});
  CHECK_THAT(shared, HasCode(Code::kInvalidArgument, "ranks 1 and 3 share one GPU"));
  CHECK_THAT(shared, HasCode(Code::kInvalidArgument, "host n3, UUID GPU-77aa"));
  CHECK_THAT(shared, HasCode(Code::kInvalidArgument, "device.kind=cpu"));
  // The same number on another host is another GPU.
  CHECK_THAT(RefuseSharedGpus({"n3, UUID GPU-0", "n4, UUID GPU-0"}), IsOk());
  CHECK_THAT(RefuseSharedGpus({}), IsOk());
}

TEST_CASE("conformance_01_a_world_of_one_never_calls_mpi", "[world]") {
  for (const char* name : {"SLURM_NTASKS", "SLURM_STEP_NUM_TASKS", "PMI_SIZE"}) unsetenv(name);
  for (int times = 0; times < 2; ++times) {  // a closed one makes room for the next
    const auto world = World::Open({}, {{"build", "a"}});
    CHECK_THAT(world.status(), IsOk());
    REQUIRE(world.ok());
    World& one = **world;
    CHECK(one.description() == "1 rank on 1 host, backend threads, order rank");
    CHECK_THAT(World::Open({}, {}).status(),
               HasCode(Code::kInvalidArgument, "has a World already: 1 rank on 1 host"));
    CHECK_THAT(tests::SumsEveryDType(one.data()), IsOk());  // identities, of one rank
    CHECK_THAT(tests::SumsInRankOrder(one.data()), IsOk());
    CHECK_THAT(tests::GathersUnequalCounts(one.data()), IsOk());
    CHECK_THAT(tests::CohortExchanges(one.cohort()), IsOk());
    CHECK_THAT(tests::ControlWordCarriesFlags(one.control(), 0, 1), IsOk());
    CHECK_THAT(one.Close(), IsOk());
    CHECK_THAT(one.data().Barrier({}).status(), HasCode(Code::kInvalidArgument, "closed"));
  }
  int initialised = 1;
  MPI_Initialized(&initialised);
  CHECK(initialised == 0);
}

TEST_CASE("conformance_04_a_second_world_names_the_first", "[world]") {
  const auto first = World::Open({}, {{"build", "a"}});
  REQUIRE(first.ok());
  const Status second = World::Open({}, {{"build", "a"}}).status();
  CHECK_THAT(second, HasCode(Code::kInvalidArgument, "has a World already"));
  CHECK_THAT(second, HasCode(Code::kInvalidArgument, (*first)->description()));
  CHECK_THAT(tests::SumsInRankOrder((*first)->data()), IsOk());  // which it leaves alone
  CHECK_THAT((*first)->Close(), IsOk());
}

}  // namespace
}  // namespace stemma::comm
