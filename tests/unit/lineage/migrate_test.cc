// States into another store: the same ids, every byte proved, whole at any crash.
#include <set>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "lineage/collect.h"
#include "lineage/faulty_storage.h"
#include "lineage/graph.h"
#include "lineage/marks.h"
#include "lineage/memory_storage.h"
#include "lineage/names.h"
#include "lineage/reshape/migrate.h"
#include "lineage/restore.h"

#include "tests/support/gc_scene.h"
#include "tests/support/status_matchers.h"
#include "tests/support/step_storage.h"
#include "tests/support/store_steps.h"
#include "tests/support/toy_run.h"

namespace stemma::lineage {
namespace {

using tests::HasCode;
using tests::IsOk;
using tests::RestoresOn;
using tests::SameOnAll;
using tests::ToySpans;
using tests::TrainToy;

tests::SpansOfRank Model() { return SameOnAll(ToySpans::SmallModel(true)); }

// base@10, @20, @30 by two ranks, and side@20, a fork of base@20 that went on to @25.
struct Source {
  MemoryStorage disk;
  std::unique_ptr<Store> store = OpenStore(disk);
  std::vector<StateId> base, side;

  Source() {
    base = TrainToy(*store, "base", 2, Model(), {10, 20, 30});
    side.push_back(*store->Fork(MustLoad(*store), base[1], "side", {}));
    side.push_back(TrainToy(*store, "side", 2, Model(), {25})[0]);
  }

  Result<Migrated> To(Store& target, const std::set<StateId>& states, bool tags = false) const {
    MigrateOptions options;
    options.tags = tags;
    return Migrate(*store, MustLoad(*store), states, target, options);
  }
  std::set<StateId> All() const {
    std::set<StateId> all(base.begin(), base.end());
    all.insert(side.begin(), side.end());
    return all;
  }
};

void CheckWhole(const Store& store, const StateId& id) {
  const Graph graph = MustLoad(store);
  REQUIRE(graph.states.count(id) == 1);
  CHECK_FALSE(IsPruned(graph, id));
  CHECK_THAT(RestoresOn(store, graph.states.at(id), 2, Model()), IsOk());
}

TEST_CASE("a state arrives under its id, its ancestors as records", "[migrate]") {
  const Source source;
  MemoryStorage disk;
  const auto target = OpenStore(disk);
  const auto done = source.To(*target, {source.side[1]});
  REQUIRE_THAT(done.status(), IsOk());
  CHECK(done->states == 1);
  CHECK(done->nodes == 3);  // side@20, base@20, base@10
  CHECK(done->packs == 2);
  const Graph graph = MustLoad(*target);
  CHECK(graph.states.size() == 4);
  CHECK(graph.runs.at("side").head == source.side[1]);
  CHECK(graph.runs.at("side").ulid == MustLoad(*source.store).runs.at("side").ulid);
  CHECK(Ancestors(graph, source.side[1]) ==
        std::vector<StateId>{source.side[0], source.base[1], source.base[0]});
  CheckWhole(*target, source.side[1]);
  CHECK_THAT(target->WhyPruned(graph.states.at(source.base[0])),
             HasCode(Code::kNotFound, "its bytes stayed in /store"));
  CHECK(FsckErrors(*target) == std::vector<std::string>());

  // Now all of it: bytes come, marks go, and what was there is not copied.
  const auto rest = source.To(*target, source.All());
  REQUIRE_THAT(rest.status(), IsOk());
  CHECK(rest->states == 5);
  CHECK(rest->states_there == 1);
  CHECK(rest->nodes == 0);
  CHECK(rest->packs == 6);
  CHECK(rest->packs_there == 2);
  for (const StateId& id : source.All()) CheckWhole(*target, id);
  CHECK(FsckErrors(*target) == std::vector<std::string>());

  const auto again = source.To(*target, source.All());
  REQUIRE_THAT(again.status(), IsOk());
  CHECK(again->packs == 0);
  CHECK(again->bytes == 0);
  CHECK(again->states_there == 5);
  CHECK(FsckErrors(*source.store) == std::vector<std::string>());
}

TEST_CASE("a run goes on there, and what the source adds later follows", "[migrate]") {
  Source source;
  MemoryStorage disk;
  const auto target = OpenStore(disk);
  REQUIRE_THAT(source.To(*target, source.All()).status(), IsOk());
  const StateId later = TrainToy(*source.store, "base", 2, Model(), {40})[0];
  const auto more = source.To(*target, {later});
  REQUIRE_THAT(more.status(), IsOk());
  CHECK(more->packs == 2);
  CHECK(more->nodes == 0);
  CHECK(MustLoad(*target).runs.at("base").head == later);
  // It goes on in both: two histories under one name.
  const StateId there = TrainToy(*target, "base", 2, Model(), {50})[0];
  CheckWhole(*target, there);
  CHECK(MustLoad(*target).states.at(there).incarnation == 3);
  const StateId here = TrainToy(*source.store, "base", 2, Model(), {50})[0];
  const Status two = source.To(*target, {here}).status();
  CHECK_THAT(two, HasCode(Code::kInvalidArgument, "run 'base' went on in both stores"));
  CHECK_THAT(two, HasCode(Code::kInvalidArgument, "incarnation 3"));
  CHECK(FsckErrors(*target) == std::vector<std::string>());
}

TEST_CASE("what cannot migrate is refused before anything is copied", "[migrate]") {
  Source source;
  MemoryStorage disk;
  const auto target = OpenStore(disk);
  TrainToy(*target, "base", 1, SameOnAll({ToySpans::MakeSpan("x", "params", DType::kF32, {2})}),
           {1});
  CHECK_THAT(source.To(*target, {source.base[0]}).status(),
             HasCode(Code::kInvalidArgument, "another run is called 'base'"));
  CHECK_THAT(source.To(*target, {StateId(32, 'x')}).status(), HasCode(Code::kNotFound));
  CHECK_THAT(source.To(*source.store, {source.base[0]}).status(),
             HasCode(Code::kInvalidArgument, "is the store that the states are in"));
  CHECK(MustLoad(*target).states.size() == 1);
}

TEST_CASE("a damaged pack is refused and named, and nothing of its run is seen", "[migrate]") {
  Source source;
  const Record record = MustLoad(*source.store).states.at(source.base[1]);
  const std::string pack = source.store->PackPath(record.packs[1].pack);
  const uint64_t data = 8 + Decoder(*source.disk.ReadAt(pack, 0, 8)).U64();
  const uint64_t end = *source.disk.SizeOf(pack);
  for (const uint64_t at : {uint64_t{20}, data + 5, end - 1}) {
    INFO("byte " << at);
    MemoryStorage disk;
    const auto target = OpenStore(disk);
    REQUIRE(source.disk.Flip(pack, at));
    const Status refused = source.To(*target, source.All()).status();
    CHECK(refused.code() == Code::kCorruption);
    CHECK_THAT(refused, HasCode(Code::kCorruption, "base@20"));
    CHECK(MustLoad(*target).states.empty());
    REQUIRE(source.disk.Flip(pack, at));
    REQUIRE_THAT(source.To(*target, source.All()).status(), IsOk());
    for (const StateId& id : source.All()) CheckWhole(*target, id);
  }
}

TEST_CASE("notes and tags go along, and what is said there stays", "[migrate]") {
  Source source;
  MemoryStorage disk;
  const auto target = OpenStore(disk);
  Store& here = *source.store;
  REQUIRE_THAT(here.Annotate(source.base[2], "verdict", std::string("good")), IsOk());
  REQUIRE_THAT(here.Mark(source.base[2], kKeepKey, true), IsOk());
  REQUIRE_THAT(here.SetTag("best", source.base[2], "low loss", std::nullopt), IsOk());
  REQUIRE_THAT(here.SetTag("mine", source.base[0], "", std::nullopt), IsOk());
  REQUIRE_THAT(here.Mark(source.base[0], kPrunedKey, std::string("diverged")), IsOk());
  REQUIRE_THAT(source.To(*target, {source.base[1]}).status(), IsOk());
  REQUIRE_THAT(target->SetTag("mine", source.base[1], "", std::nullopt), IsOk());
  REQUIRE_THAT(target->Mark(source.base[1], kPrunedKey, std::string("too large")), IsOk());
  const auto done = source.To(*target, source.All(), true);
  REQUIRE_THAT(done.status(), IsOk());
  CHECK(done->notes == 2);
  CHECK(done->tags == 1);
  CHECK(done->tags_left == std::vector<std::string>{"mine"});
  const Graph graph = MustLoad(*target);
  CHECK(graph.tags.at("best").target == source.base[2]);
  CHECK(graph.tags.at("best").why == "low loss");
  CHECK(std::get<std::string>(graph.notes.at(source.base[2]).at("verdict")) == "good");
  CHECK(IsMarked(graph, source.base[2], kKeepKey));
  CHECK(IsPruned(graph, source.base[0]));  // here
  CHECK(IsPruned(graph, source.base[1]));  // there
  CHECK_FALSE(
      target->storage().Exists(target->PackPath(graph.states.at(source.base[0]).packs[0].pack)));
  CHECK(FsckErrors(*target) == std::vector<std::string>());
  const auto again = source.To(*target, source.All(), true);
  REQUIRE_THAT(again.status(), IsOk());
  CHECK(again->notes + again->tags + again->packs == 0);
}

// States that are seen without a mark are whole at every moment, and another try completes them.
TEST_CASE("wherever the target's disk fails or its machine dies, what is seen is whole",
          "[migrate]") {
  const Source source;
  for (const Fault fault : {Fault::kIo, Fault::kShortWrite, Fault::kDieHalf, Fault::kDieAfter}) {
    bool fired = true;
    for (uint64_t n = 1; fired; n += n < 30 ? 1 : 5) {
      INFO("change " << n << ", fault " << static_cast<int>(fault));
      MemoryStorage disk;
      OpenStore(disk);
      FaultyStorage faulty(disk);
      const auto failing = OpenStore(faulty);
      faulty.FailAt(n, fault);
      const Status status = source.To(*failing, {source.side[1]}).status();
      fired = faulty.fired();
      if (!fired) CHECK_THAT(status, IsOk());
      if (fault == Fault::kDieHalf || fault == Fault::kDieAfter) disk.Crash(n);
      const auto target = OpenStore(disk);
      const Graph graph = MustLoad(*target);
      for (const auto& [id, record] : graph.states) {
        if (!IsPruned(graph, id)) CheckWhole(*target, id);
      }
      if (status.ok()) CHECK(graph.states.size() == 4);
      REQUIRE_THAT(source.To(*target, {source.side[1]}).status(), IsOk());
      CheckWhole(*target, source.side[1]);
      CHECK(MustLoad(*target).states.size() == 4);
      CHECK(FsckErrors(*target) == std::vector<std::string>());
    }
  }
}

// A file system may write a file's pages in any order, and readers take an entry behind a hole for
// damage, which ends every restart of a run that has a name.
TEST_CASE("no crash of the target's machine leaves a damaged log", "[migrate]") {
  const Source source;
  bool fired = true;
  for (uint64_t n = 1; fired; ++n) {
    INFO("change " << n);
    MemoryStorage disk;
    const auto sound = OpenStore(disk);
    REQUIRE_THAT(source.To(*sound, {source.base[0]}).status(), IsOk());  // the run has its name
    FaultyStorage faulty(disk);
    const auto failing = OpenStore(faulty);
    faulty.FailAt(n, Fault::kDieBefore);
    const Status status = source.To(*failing, {source.base[2]}).status();
    fired = faulty.fired();
    if (!fired) CHECK_THAT(status, IsOk());
    disk.CrashInHoles();
    const auto target = OpenStore(disk);
    CHECK(MustLoad(*target).runs.at("base").unreadable == "");
    REQUIRE_THAT(source.To(*target, {source.base[2]}).status(), IsOk());
    CheckWhole(*target, source.base[2]);
    CHECK(FsckErrors(*target) == std::vector<std::string>());
  }
}

TEST_CASE("states that name more packs than an intent can hold migrate in several batches",
          "[migrate]") {
  constexpr uint32_t kParts = 1 << 14;
  const Source source;
  Record record = MustLoad(*source.store).states.at(source.base[0]);
  record.parents.clear();
  record.frozen_packs = 0;
  record.packs = std::vector<PackRef>(kParts, record.packs[0]);
  for (uint32_t i = 0; i < kParts; ++i) {
    record.packs[i].writer = i;
    record.packs[i].writers = kParts;
  }
  const auto wide = *source.store->StartRun("wide");
  std::set<StateId> states;
  for (record.step = 1; record.step <= 5; ++record.step) {
    const Result<StateId> id = wide->Append(record);
    REQUIRE_THAT(id.status(), IsOk());
    states.insert(*id);
  }
  MemoryStorage disk;
  const auto target = OpenStore(disk);
  const auto done = source.To(*target, states);
  REQUIRE_THAT(done.status(), IsOk());
  CHECK(done->packs == 1);
  CHECK(MustLoad(*target).runs.at("wide").states.size() == states.size());
}

// As when what a store has lost comes back from a copy of it, while the run goes on there.
TEST_CASE("a living writer's files stay when states of its incarnation come", "[migrate]") {
  Source source;
  Store& home = *source.store;
  const auto living = *home.NextIncarnation("base");
  Record record = MustLoad(home).states.at(source.base[2]);
  record.parents = {{source.base[2], EdgeKind::kTrain}};
  record.step = 40;
  const Result<StateId> later = living->Append(record);
  REQUIRE_THAT(later.status(), IsOk());
  MemoryStorage disk;
  const auto copy = OpenStore(disk);
  REQUIRE_THAT(source.To(*copy, {*later}).status(), IsOk());
  const Graph graph = MustLoad(*copy);
  const std::string half_written = living->tmp_dir() + "/7-0-1";
  REQUIRE_THAT(WriteDurable(source.disk, half_written, "half a pack"), IsOk());
  REQUIRE_THAT(Migrate(*copy, graph, {*later}, home, {}).status(), IsOk());
  CHECK(source.disk.Exists(half_written));
  REQUIRE_THAT(source.disk.Remove(half_written), IsOk());
  REQUIRE_THAT(Migrate(*copy, graph, {*later}, home, {}).status(), IsOk());
  CHECK(source.disk.Exists(living->tmp_dir()));  // empty between two captures
}

// Two whole collections pass in any gap of a migration, with hours between: its lease is long stale
// and its packs look like those that an ended incarnation left behind.
TEST_CASE("a collector in the target takes nothing that a migration has promised", "[migrate]") {
  const Source source;
  int held = 0, refused = 0;
  for (int at = 1;; at += at < 20 ? 1 : 2) {
    INFO("at call " << at);
    MemoryStorage disk;
    FakeClock clock(disk);
    const auto sound = OpenStore(disk);
    REQUIRE_THAT(source.To(*sound, {source.base[0]}).status(), IsOk());
    tests::StepStorage steps(disk, at, [&] {
      for (int i = 0; i < 2; ++i) {
        disk.AdvanceMs(3600 * 1000);
        REQUIRE_THAT(CollectGarbage(*sound, {}, clock).status(), IsOk());
      }
    });
    const auto slow = *Store::Open("/store", false, steps);
    const Status status = source.To(*slow, {source.base[2]}).status();
    const bool ran = steps.ran();
    ++(status.ok() ? held : refused);
    const Graph graph = MustLoad(*sound);
    for (const auto& [id, record] : graph.states) {
      if (!IsPruned(graph, id)) CheckWhole(*sound, id);
    }
    if (status.ok()) CheckWhole(*sound, source.base[2]);
    REQUIRE_THAT(source.To(*sound, {source.base[2]}).status(), IsOk());
    CheckWhole(*sound, source.base[2]);
    if (!ran) break;
  }
  CHECK(held > 10);
  CHECK(refused > 0);
}

}  // namespace
}  // namespace stemma::lineage
