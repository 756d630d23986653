#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "comm/world.h"

#include "tests/support/communicator_contract.h"
#include "tests/support/conformance_report.h"
#include "tests/support/group_contract.h"
#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"
#include "tests/support/world_contract.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {
using comm::CommSettings;
using comm::World;
using tests::HasCode;
using tests::IsOk;
using tests::SpawnRanks;

// Runs `body` with the world of each rank, at 1 to 4 ranks.
template <typename Body>
void AtEverySize(Body body) {
  for (int ranks = 1; ranks <= 4; ++ranks) {
    const auto worlds = World::Threads(ranks);
    const auto results = SpawnRanks(ranks, [&](int rank) { return body(*worlds[rank]); });
    for (int rank = 0; rank < ranks; ++rank) {
      INFO("rank " << rank << " of " << ranks);
      CHECK_THAT(results[rank], IsOk());
    }
    tests::RanOn("threads", ranks);
  }
}

template <typename Body>
void DataAtEverySize(Body body) {
  AtEverySize([&](World& world) { return body(world.data()); });
}

template <typename Body>
void ControlAtEverySize(Body body) {
  AtEverySize([&](World& w) { return body(w.control(), w.rank(), w.ranks()); });
}

CommSettings Impatient() {
  CommSettings settings;
  settings.deadline_s = 0.2;
  return settings;
}

TEST_CASE("a dtype is not summed as another", "[comm]") { DataAtEverySize(tests::SumsEveryDType); }

TEST_CASE("averages, minima, maxima and products are what they say", "[comm]") {
  DataAtEverySize(tests::AveragesMinimaMaximaProducts);
}

TEST_CASE("the order of a sum is the order of the ranks", "[comm]") {
  DataAtEverySize(tests::SumsInRankOrder);
}

TEST_CASE("ranks with much and with nothing are gathered in order", "[comm]") {
  DataAtEverySize(tests::GathersUnequalCounts);
}

TEST_CASE("every rank keeps its part of a sum, whatever the sizes of the parts", "[comm]") {
  DataAtEverySize(tests::ScattersReducedParts);
}

TEST_CASE("parts of a sum have the bits of the whole", "[comm]") {
  DataAtEverySize(tests::ScatterThenGatherIsAllReduce);
}

TEST_CASE("blocks reach their ranks, also those without elements", "[comm]") {
  DataAtEverySize(tests::ExchangesBlocks);
}

TEST_CASE("mistakes about parts and blocks name the values", "[comm]") {
  DataAtEverySize(tests::RefusesMistakesOfParts);
}

TEST_CASE("any rank may broadcast", "[comm]") { DataAtEverySize(tests::BroadcastsFromEveryRoot); }

TEST_CASE("calls under way at once end in their order", "[comm]") {
  DataAtEverySize(tests::KeepsTheOrderOfCalls);
}

TEST_CASE("zero elements succeed, and a mistake is refused before anything is sent", "[comm]") {
  DataAtEverySize(tests::AcceptsNothing);
  DataAtEverySize(tests::RefusesMistakes);
  DataAtEverySize(tests::AllocatesAlignedZeros);
}

TEST_CASE("conformance_80_the_control_word_loses_no_flag", "[control]") {
  ControlAtEverySize(tests::ControlWordCarriesFlags);
}

TEST_CASE("conformance_81_a_disagreement_names_who_said_what", "[control]") {
  ControlAtEverySize(tests::ControlWordNamesDisagreement);
}

TEST_CASE("a rank that fails takes all along, with its text and code", "[control]") {
  ControlAtEverySize(tests::ControlWordCarriesFailure);
}

TEST_CASE("lag 0 speaks of the step itself", "[control]") {
  CommSettings settings;
  settings.control_lag = 0;
  const auto worlds = World::Threads(2, settings);
  const auto results = SpawnRanks(2, [&](int rank) -> Status {
    comm::Mine mine;
    mine.any = rank == 1 ? uint32_t{comm::kAnyStop} : 0;
    STEMMA_ASSIGN_OR_RETURN(const auto verdict, worlds[rank]->control().EndStep(4, mine));
    const bool good = verdict.step == 4 && verdict.any == comm::kAnyStop;
    return good ? Status() : Status(Code::kInternal, "another verdict");
  });
  for (const Status& status : results) CHECK_THAT(status, IsOk());
}

TEST_CASE("texts of any length travel, and all ranks reach one verdict", "[cohort]") {
  AtEverySize([](World& world) { return tests::CohortExchanges(world.cohort()); });
  AtEverySize([](World& world) { return tests::AgreeGivesOneVerdict(world.cohort()); });
}

TEST_CASE("facts that differ are named and grouped by value", "[cohort]") {
  AtEverySize([](World& world) { return tests::AgreeOnGroupsByValue(world.cohort()); });
}

TEST_CASE("many differing facts do not flood the screen", "[cohort]") {
  const auto worlds = World::Threads(2);
  const auto results = SpawnRanks(2, [&](int rank) {
    Facts facts;
    for (int k = 0; k < 9; ++k) facts.emplace_back("k" + std::to_string(k), std::to_string(rank));
    return AgreeOn(worlds[rank]->cohort(), facts);
  });
  CHECK(results[0].message() == results[1].message());
  CHECK_THAT(results[0],
             HasCode(Code::kIncompatible, "k4 differs: rank {0} 0, rank {1} 1; and 4 "));
}

TEST_CASE("long groups of ranks are written as ranges", "[cohort]") {
  std::vector<std::string> by_rank(9, "yes");
  by_rank[8] = "no";
  CHECK(GroupByValue(by_rank) == "ranks {0-7} yes, rank {8} no");
  by_rank[1] = "no";
  CHECK(GroupByValue(by_rank) == "ranks {0,2-7} yes, ranks {1,8} no");
}

TEST_CASE("a rank that does not come is named, with what it was awaited for", "[comm]") {
  const auto worlds = World::Threads(3, Impatient());
  const auto results = SpawnRanks(3, [&](int rank) -> Status {
    if (rank == 1) return {};
    float one = 1;
    comm::CallOptions options;
    options.what = "bucket 4";
    STEMMA_ASSIGN_OR_RETURN(auto work,
                            worlds[rank]->data().AllReduce({&one, 1, DType::kF32}, options));
    return work.Wait();
  });
  for (int rank : {0, 2}) {
    CHECK_THAT(results[rank], HasCode(Code::kTimeout, "all_reduce \"bucket 4\" f32[1] sum"));
    CHECK_THAT(results[rank], HasCode(Code::kTimeout, "rank {1} did not come"));
  }
  CHECK_THAT(worlds[0]->data().Barrier({}).status(), HasCode(Code::kTimeout, "bucket 4"));
}

TEST_CASE("a rank that agrees to nothing is named", "[cohort]") {
  const auto worlds = World::Threads(2, Impatient());
  const auto results = SpawnRanks(
      2, [&](int rank) { return rank == 0 ? Agree(worlds[rank]->cohort(), {}) : Status(); });
  CHECK_THAT(results[0], HasCode(Code::kTimeout, "agreement: rank {1} did not come"));
}

// Rank 1 comes when another wait has ended in vain, which is longer than the deadline here.
Status ComesLate(World& world, World& alone) {
  if (world.rank() == 0) return {};
  const Status waited = Agree(alone.cohort(), {});
  return waited.code() == Code::kTimeout ? Status() : Status(Code::kInternal, "it was not alone");
}

TEST_CASE("inside a section ranks are waited for beyond the deadline", "[comm][cohort]") {
  for (const char* backend : {"auto", "node-shared"}) {
    CommSettings settings = Impatient(), longer;
    settings.backend = backend;
    longer.deadline_s = 3 * settings.deadline_s;
    const auto worlds = World::Threads(2, settings);
    const auto first = World::Threads(2, longer), second = World::Threads(2, longer);
    const auto results = SpawnRanks(2, [&](int rank) -> Status {
      World& world = *worlds[rank];
      STEMMA_RETURN_IF_ERROR(ComesLate(world, *first[rank]));
      {
        const comm::Section section(world.recorder(), "a long read", 600);
        STEMMA_RETURN_IF_ERROR(Agree(world.cohort(), {}));
      }
      STEMMA_RETURN_IF_ERROR(ComesLate(world, *second[rank]));
      const comm::Section section(world.recorder(), "another", 600);
      STEMMA_ASSIGN_OR_RETURN(comm::Work work, world.data().Barrier({}));
      return work.Wait();
    });
    INFO(backend);
    for (const Status& result : results) CHECK_THAT(result, IsOk());
  }
}

TEST_CASE("abort wakes who waits, with the cause", "[comm]") {
  const auto worlds = World::Threads(2);
  const auto results = SpawnRanks(2, [&](int rank) -> Status {
    if (rank == 1) {
      worlds[1]->data().Abort({Code::kPeerLost, "rank 1 had enough"});
      return {};
    }
    auto work = worlds[0]->data().Barrier({});
    return work.ok() ? work->Wait() : work.status();
  });
  CHECK_THAT(results[0], HasCode(Code::kPeerLost, "rank 1 had enough"));
  CHECK_THAT(worlds[0]->data().Health(), HasCode(Code::kPeerLost));
}

TEST_CASE("calls that do not match end with who called what", "[comm]") {
  const auto worlds = World::Threads(2);
  const auto results = SpawnRanks(2, [&](int rank) -> Status {
    float one = 1;
    auto& data = worlds[rank]->data();
    auto work = rank == 0 ? data.AllReduce({&one, 1, DType::kF32}, {}) : data.Barrier({});
    return work.ok() ? work->Wait() : work.status();
  });
  for (const Status& status : results) {
    CHECK_THAT(status,
               HasCode(Code::kIncompatible, "rank {0} all_reduce f32[1] sum, rank {1} bar"));
  }
}

TEST_CASE("blocks of other lengths than expected are named on all ranks", "[comm]") {
  const auto worlds = World::Threads(2);
  const auto results = SpawnRanks(2, [&](int rank) -> Status {
    int32_t in[4] = {}, out[4] = {};
    const std::vector<int64_t> send{1, 1}, receive{rank == 0 ? 1 : 2, 1};
    auto work = worlds[rank]->data().AllToAll({in, 2, DType::kI32}, send,
                                              {out, receive[0] + 1, DType::kI32}, receive, {});
    return work.ok() ? work->Wait() : work.status();
  });
  for (const Status& status : results) {
    CHECK_THAT(status, HasCode(Code::kIncompatible,
                               "rank 0 sends 1 elements to rank 1, which "
                               "expects 2"));
  }
}

TEST_CASE("groups of a world are worlds", "[world]") {
  AtEverySize([](World& world) { return tests::GroupsAreWorlds(world, {}); });
}

TEST_CASE("a closed world refuses, and says why", "[world]") {
  AtEverySize([](World& world) -> Status {
    STEMMA_RETURN_IF_ERROR(world.Close());
    const Status found[] = {world.data().Barrier({}).status(), world.cohort().Min(1).status(),
                            world.control().EndStep(0, {}).status(), world.Close()};
    for (const Status& status : found) {
      if (status.code() != Code::kInvalidArgument) return {Code::kInternal, status.message()};
    }
    return {};
  });
}

}  // namespace
}  // namespace stemma
