// A whole life of a store (a job of two ranks, a fork, a tag, a resume) that dies at its n-th
// change of the file system, for every n; then the machine loses what was not synced. What was
// acknowledged must be there, and nothing may be there in part.
#include <map>
#include <string>
#include <vector>

#include "core/mutex.h"
#include "lineage/faulty_storage.h"
#include "lineage/fsck.h"
#include "lineage/memory_storage.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"
#include "tests/support/thread_cohort.h"
#include "tests/support/toy_state.h"

namespace stemma::lineage {
namespace {

using tests::CohortRoom;
using tests::IsOk;
using tests::SpawnRanks;
using tests::ThreadCohort;
using tests::ToyRank;
using tests::ToySpans;

constexpr int kRanks = 2;

// What the store has promised, kept outside of it.
struct Promised {
  std::map<StateId, int64_t> states;     // id -> step
  std::map<std::string, StateId> forks;  // run -> its first state
  std::optional<StateId> tag;
};

LineageSettings Settings() {
  LineageSettings settings;
  settings.writer_bytes_min = 1024;
  settings.on_failure = "continue";  // a living process with a failing disk goes on
  settings.missed_captures_max = 3;
  return settings;
}

Status Job(Store& store, bool resume, const std::vector<int64_t>& steps, Promised* promised) {
  CohortRoom room(kRanks);
  const std::vector<Status> statuses = SpawnRanks(kRanks, [&](int rank) -> Status {
    ThreadCohort cohort(room, rank);
    ToySpans state(ToySpans::SmallModel(true), rank);
    ToyRank toy{store, cohort, state, nullptr, nullptr};
    STEMMA_RETURN_IF_ERROR(toy.Begin("base", resume, Settings()));
    std::optional<StateId> parent;
    if (resume) {
      Result<Graph> graph = store.Load();
      STEMMA_RETURN_IF_ERROR(Agree(cohort, graph.status()));
      const auto run = graph->runs.find("base");
      if (run != graph->runs.end() && run->second.head) parent = run->second.head;
    }
    for (const int64_t step : steps) {
      STEMMA_ASSIGN_OR_RETURN(const auto durable, toy.CaptureStep(step, parent));
      if (!durable) continue;
      parent = durable->id;
      if (rank == 0) promised->states[durable->id] = step;
    }
    return Agree(cohort, rank == 0 ? toy.writer->Close() : Status());
  });
  return statuses.front();
}

// Every part may fail alone where the process lives on; a dead disk fails them all.
void Life(Storage& storage, Promised* promised) {
  Result<std::unique_ptr<Store>> opened = Store::Open("/store", false, storage);
  if (!opened.ok()) return;
  Store& store = **opened;
  (void)Job(store, false, {1, 2, 3}, promised);
  Result<Graph> graph = store.Load();
  if (graph.ok() && !graph->states.empty()) {
    const StateId parent = graph->states.begin()->first;
    Result<StateId> fork = store.ForkWithSettings(*graph, parent, "branch", {}, "lr = 2");
    if (fork.ok()) promised->forks["branch"] = *fork;
    if (store.SetTag("best", parent, "", {}).ok()) promised->tag = parent;
  }
  (void)Job(store, true, {4}, promised);
}

Status RestoreAll(const Store& store, const Graph& graph) {
  CohortRoom room(kRanks);
  const std::vector<Status> statuses = SpawnRanks(kRanks, [&](int rank) -> Status {
    ThreadCohort cohort(room, rank);
    for (const auto& [id, record] : graph.states) {
      STEMMA_RETURN_IF_ERROR(
          tests::CheckRestores(store, record, ToySpans::SmallModel(true), cohort));
    }
    return {};
  });
  return statuses.front();
}

void CheckPromises(Storage& storage, const Promised& promised) {
  Result<std::unique_ptr<Store>> opened = Store::Open("/store", false, storage);
  REQUIRE_THAT(opened.status(), IsOk());
  Store& store = **opened;
  Result<Graph> graph = store.Load();
  REQUIRE_THAT(graph.status(), IsOk());
  for (const auto& [id, step] : promised.states) {
    REQUIRE(graph->states.count(id) == 1);
    CHECK(graph->states.at(id).step == step);
  }
  for (const auto& [run, id] : promised.forks) {
    REQUIRE(graph->runs.count(run) == 1);
    CHECK(graph->runs.at(run).head == id);
    CHECK(*store.GetSettings(graph->states.at(id).settings) == "lr = 2");
  }
  if (promised.tag) CHECK(graph->tags.at("best").target == *promised.tag);
  CHECK_THAT(RestoreAll(store, *graph), IsOk());  // the unacknowledged ones as well
  Result<FsckReport> report = Fsck(store, {true});
  REQUIRE_THAT(report.status(), IsOk());
  CHECK(report->errors == std::vector<std::string>{});
}

// The same command again works: the run goes on, from the newest state where there is one.
void CheckGoesOn(Storage& storage) {
  Result<std::unique_ptr<Store>> store = Store::Open("/store", false, storage);
  REQUIRE_THAT(store.status(), IsOk());
  Result<Graph> graph = (*store)->Load();
  REQUIRE_THAT(graph.status(), IsOk());
  Promised promised;
  REQUIRE_THAT(Job(**store, graph->runs.count("base") > 0, {9}, &promised), IsOk());
  REQUIRE(promised.states.size() == 1);
  CheckPromises(storage, promised);
}

// Lives with the fault at every n-th change, until a life has fewer; returns how many there were.
uint64_t EveryChange(Fault fault, bool power_loss) {
  for (uint64_t change = 1;; ++change) {
    INFO("change " << change);
    MemoryStorage disk;
    REQUIRE_THAT(Store::Open("/store", true, disk).status(), IsOk());
    FaultyStorage faulty(disk);
    faulty.FailAt(change, fault);
    Promised promised;
    Life(faulty, &promised);
    const bool fired = faulty.fired();
    if (power_loss) {
      change % 2 ? disk.Crash() : disk.Crash(change);
    }
    CheckPromises(disk, promised);
    if (change % 5 == 0) CheckGoesOn(disk);
    if (fired) continue;
    CHECK(promised.states.size() == 4);
    CHECK(promised.forks.size() == 1);
    CHECK(promised.tag);
    return change - 1;
  }
}

TEST_CASE("rows 1, 2, 3, 6: death before any change, with power loss, loses nothing acknowledged",
          "[crash]") {
  CHECK(EveryChange(Fault::kDieBefore, true) > 60);
}

// Row 4 of the lineage design.
TEST_CASE("conformance_74_death_in_the_middle_of_any_write_leaves_a_tail_that_nobody_reads",
          "[crash]") {
  EveryChange(Fault::kDieHalf, false);
}

TEST_CASE("row 5: death after any change, before anybody heard of it, keeps the store whole",
          "[crash]") {
  EveryChange(Fault::kDieAfter, false);
}

TEST_CASE("row 6: power loss after any change keeps what was acknowledged", "[crash]") {
  EveryChange(Fault::kDieAfter, true);
}

TEST_CASE("row 9: no space at any one change drops a capture on all ranks alike", "[crash]") {
  EveryChange(Fault::kNoSpace, true);
}

TEST_CASE("row 10: an fsync, or anything, that fails once is not trusted afterwards", "[crash]") {
  EveryChange(Fault::kIo, true);
}

TEST_CASE("row 23: an append that stops half-way while the process lives on", "[crash]") {
  EveryChange(Fault::kShortWrite, true);
}

}  // namespace
}  // namespace stemma::lineage
