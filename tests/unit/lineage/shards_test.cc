// Sharded spans: each rank hands out and takes back what it holds, and nothing else. The toy spoils
// what a rank does not hold, so a byte read or written by the wrong rank shows.
#include "lineage/shards.h"

#include <string>
#include <vector>

#include "lineage/fsck.h"
#include "lineage/memory_storage.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"
#include "tests/support/thread_cohort.h"
#include "tests/support/toy_state.h"

namespace stemma::lineage {
namespace {

using tests::CohortRoom;
using tests::HasCode;
using tests::IsOk;
using tests::SpawnRanks;
using tests::ThreadCohort;
using tests::ToyRank;
using tests::ToySpans;

// The moments are dealt out in runs of 500 elements, so that a rank has several pieces; the last
// rank alone has the bias, and nobody anything of the empty tensor.
std::vector<Span> Dealt(int rank, int ranks) {
  std::vector<Span> spans = ToySpans::SmallModel(false);
  for (const size_t i : {1, 2, 3}) spans[i].role = Role::kSharded;
  if (rank == ranks - 1) spans[1].held = {{0, 7}};
  const int64_t count = spans[3].count();
  for (int64_t run = rank; run * 500 < count; run += ranks) {
    spans[3].held.push_back({run * 500, std::min<int64_t>(500, count - run * 500)});
  }
  return spans;
}

using SpansOfRank = std::vector<Span> (*)(int rank, int ranks);
std::vector<Span> Replicated(int, int) { return ToySpans::SmallModel(false); }

std::vector<Status> Capture(Store& store, int ranks, SpansOfRank spans) {
  LineageSettings settings;
  settings.verify_fence = true;
  CohortRoom room(ranks);
  return SpawnRanks(ranks, [&](int rank) -> Status {
    ThreadCohort cohort(room, rank);
    ToySpans state(spans(rank, ranks), rank);
    ToyRank toy{store, cohort, state, nullptr, nullptr};
    STEMMA_RETURN_IF_ERROR(toy.Begin("base", false, settings));
    std::optional<StateId> parent;
    for (const int64_t step : {10, 20}) {
      STEMMA_ASSIGN_OR_RETURN(const auto durable, toy.CaptureStep(step, parent));
      if (!durable) return {Code::kInternal, "not durable"};
      parent = durable->id;
    }
    return {};
  });
}

void CheckRestoresTo(Store& store, int ranks, SpansOfRank spans) {
  const Result<Graph> graph = store.Load();
  REQUIRE_THAT(graph.status(), IsOk());
  REQUIRE(graph->states.size() == 2);
  CohortRoom room(ranks);
  const auto results = SpawnRanks(ranks, [&](int rank) -> Status {
    ThreadCohort cohort(room, rank);
    for (const auto& [id, record] : graph->states) {
      STEMMA_RETURN_IF_ERROR(tests::CheckRestores(store, record, spans(rank, ranks), cohort));
    }
    return {};
  });
  for (const Status& status : results) CHECK_THAT(status, IsOk());
}

TEST_CASE("shards written by any number of ranks are read by any other, and by replicas") {
  for (const int writers : {1, 2, 3, 4}) {
    INFO(writers << " writers");
    MemoryStorage disk;
    const auto store = *Store::Open("/store", true, disk);
    for (const Status& status : Capture(*store, writers, Dealt)) REQUIRE_THAT(status, IsOk());
    for (const int readers : {1, 2, 3, 5}) CheckRestoresTo(*store, readers, Dealt);
    CheckRestoresTo(*store, 2, Replicated);
    const Result<FsckReport> report = Fsck(*store, {true});
    REQUIRE_THAT(report.status(), IsOk());
    CHECK(report->errors == std::vector<std::string>{});
    const Record record = store->Load()->states.begin()->second;
    CHECK(record.packs.size() == static_cast<size_t>(writers));  // whoever holds something writes
    uint64_t bytes = 0;
    for (const Span& span : Dealt(0, 1)) bytes += static_cast<uint64_t>(span.bytes());
    CHECK(record.logical_bytes == bytes);  // one copy, whatever the number of ranks
  }
}

TEST_CASE("replicas of a state are taken apart by ranks that shard it") {
  MemoryStorage disk;
  const auto store = *Store::Open("/store", true, disk);
  for (const Status& status : Capture(*store, 2, Replicated)) REQUIRE_THAT(status, IsOk());
  for (const int readers : {1, 2, 3}) CheckRestoresTo(*store, readers, Dealt);
}

// Rank 1 of 2 forgets its last run, or claims one of rank 0's.
std::vector<Span> Gap(int rank, int ranks) {
  std::vector<Span> spans = Dealt(rank, ranks);
  if (rank == 1) spans[3].held.pop_back();
  return spans;
}
std::vector<Span> Twice(int rank, int ranks) {
  std::vector<Span> spans = Dealt(rank, ranks);
  if (rank == 1) spans[3].held[0] = {499, 501};
  return spans;
}

TEST_CASE("ranks that together do not hold the whole fail their first capture, all alike") {
  const struct {
    SpansOfRank spans;
    const char* text;
  } cases[] = {{Gap, "'m/w1': elements from 2500 of 3233 are missing"},
               {Twice, "'m/w1': elements from 500 of 3233 are there twice"}};
  for (const auto& one : cases) {
    MemoryStorage disk;
    const auto store = *Store::Open("/store", true, disk);
    for (const Status& status : Capture(*store, 2, one.spans)) {
      CHECK_THAT(status, HasCode(Code::kInvalidArgument, one.text));
    }
    CHECK(store->Load()->states.empty());
  }
}

TEST_CASE("ranges that make no sense are refused by the span's name") {
  const auto refused = [](Role role, std::vector<Elements> held) {
    std::vector<Span> spans = {ToySpans::MakeSpan("m", "optim", DType::kF32, {10})};
    spans[0].role = role;
    spans[0].held = std::move(held);
    return CheckHeld(spans);
  };
  CHECK_THAT(refused(Role::kSharded, {}), IsOk());
  CHECK_THAT(refused(Role::kSharded, {{0, 3}, {3, 0}, {5, 5}}), IsOk());
  CHECK_THAT(refused(Role::kReplicated, {{0, 10}}),
             HasCode(Code::kInvalidArgument, "'m' says which of its elements are held"));
  const std::vector<Elements> wrong[] = {{{0, 11}}, {{-1, 2}},        {{11, 0}},
                                         {{4, -1}}, {{0, 5}, {4, 2}}, {{5, 5}, {0, 5}}};
  for (const auto& held : wrong) {
    CHECK_THAT(refused(Role::kSharded, held),
               HasCode(Code::kInvalidArgument, "'m' of 10 elements cannot hold"));
  }
}

}  // namespace
}  // namespace stemma::lineage
