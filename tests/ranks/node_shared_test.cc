// Node-shared memory between ranks that are threads: where a race detector sees every access.
#include <chrono>
#include <memory>
#include <vector>

#include "comm/thread_cohort.h"
#include "comm/thread_group.h"
#include "comm/world.h"

#include "tests/support/communicator_contract.h"
#include "tests/support/node_scenarios.h"
#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"
#include "tests/support/world_contract.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {

template <typename Scenario>
void AtEverySize(Scenario scenario) {
  for (int ranks = 1; ranks <= 4; ++ranks) {
    auto group = std::make_shared<comm::ThreadGroup>(ranks, std::chrono::milliseconds(60000));
    const auto results = tests::SpawnRanks(ranks, [&](int rank) {
      comm::ThreadCohort cohort(group, comm::kCohortBoard, rank, "node");
      const Status status = scenario(cohort);
      if (!status.ok()) group->Fail(status);
      return status;
    });
    for (int rank = 0; rank < ranks; ++rank) {
      INFO("rank " << rank << " of " << ranks);
      CHECK_THAT(results[rank], tests::IsOk());
    }
  }
}

TEST_CASE("conformance_85_setups_keep_the_contract", "[node]") {
  AtEverySize(tests::KeepsTheContract);
}

TEST_CASE("conformance_85_87_same_bits_from_any_memory", "[node]") {
  AtEverySize(tests::GivesTheSameBitsFromAnyMemory);
}

TEST_CASE("blocks move from and to any memory", "[node]") {
  AtEverySize(tests::MovesFromAnyMemory);
}

TEST_CASE("a rank that computes serves its peers", "[node]") {
  AtEverySize(tests::ProgressServesPeers);
}

TEST_CASE("a rank may run far ahead", "[node]") { AtEverySize(tests::OutgrowsTheRing); }

TEST_CASE("a segment may be freed while peers use theirs", "[node]") {
  AtEverySize(tests::FreesSegments);
}

TEST_CASE("conformance_19_20_22_23_24_mismatched_calls_are_named", "[node]") {
  AtEverySize(tests::NamesMismatchedCalls);
}

TEST_CASE("a rank that does not come is named", "[node]") { AtEverySize(tests::NamesLateRanks); }

TEST_CASE("abort wakes sleepers with its cause", "[node]") {
  AtEverySize(tests::AbortWakesSleepers);
}

// Agreement and the control word move into node memory with the data.
TEST_CASE("worlds of threads meet in node-shared memory", "[world]") {
  comm::CommSettings settings;
  settings.backend = "node-shared";
  for (const char* progress : {"hook", "thread"}) {
    settings.progress = progress;
    for (int ranks = 1; ranks <= 4; ++ranks) {
      const auto worlds = comm::World::Threads(ranks, settings);
      const auto results = tests::SpawnRanks(ranks, [&](int rank) -> Status {
        comm::World& world = *worlds[rank];
        STEMMA_RETURN_IF_ERROR(tests::SumsInRankOrder(world.data()));
        STEMMA_RETURN_IF_ERROR(tests::CohortExchanges(world.cohort()));
        STEMMA_RETURN_IF_ERROR(tests::AgreeGivesOneVerdict(world.cohort()));
        STEMMA_RETURN_IF_ERROR(tests::ControlWordCarriesFlags(world.control(), rank, ranks));
        return world.Close();
      });
      for (const Status& status : results) CHECK_THAT(status, tests::IsOk());
      CHECK(worlds[0]->data().name() == "node-shared");
      CHECK_THAT(worlds[0]->cohort().Min(1).status(),
                 tests::HasCode(Code::kInvalidArgument, "closed"));
    }
  }
}

// Rank 0 leaves a call pending and goes into agreement; the others want its share first.
TEST_CASE("who waits for agreement serves its peers", "[world]") {
  comm::CommSettings settings;
  settings.backend = "node-shared";
  const auto worlds = comm::World::Threads(3, settings);
  const auto results = tests::SpawnRanks(3, [&](int rank) -> Status {
    std::vector<float> values(100000, 1);
    STEMMA_ASSIGN_OR_RETURN(
        comm::Work work, worlds[rank]->data().AllReduce({values.data(), 100000, DType::kF32}, {}));
    if (rank != 0) STEMMA_RETURN_IF_ERROR(work.Wait());
    STEMMA_RETURN_IF_ERROR(Agree(worlds[rank]->cohort(), {}));
    STEMMA_RETURN_IF_ERROR(work.Wait());
    return values[5] == 3 ? Status() : Status(Code::kInternal, "another sum");
  });
  for (const Status& status : results) CHECK_THAT(status, tests::IsOk());
}

}  // namespace
}  // namespace stemma
