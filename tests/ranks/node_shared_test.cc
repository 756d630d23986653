// Node-shared memory between ranks that are threads: where a race detector sees every access.
#include <chrono>
#include <memory>

#include "comm/thread_cohort.h"
#include "comm/thread_group.h"

#include "tests/support/node_scenarios.h"
#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"

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

}  // namespace
}  // namespace stemma
