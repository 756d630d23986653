// What a repair makes good, from where, and that neither a death nor a collector spoils it.
#include "lineage/repair/repair.h"

#include <memory>
#include <string>
#include <vector>

#include "lineage/collect.h"
#include "lineage/faulty_storage.h"
#include "lineage/graph.h"
#include "lineage/log.h"
#include "lineage/marks.h"
#include "lineage/record_codec.h"

#include "tests/support/damaged_store.h"
#include "tests/support/gc_scene.h"
#include "tests/support/step_storage.h"

#include <catch2/catch.hpp>

namespace stemma::lineage {
namespace {

using tests::DamagedStore;
using tests::HasCode;
using tests::IsOk;

struct Repaired {
  RepairPlan plan;
  RepairReport report;
};

Result<Repaired> Repair(Store& store, const RepairOptions& options = {}) {
  Repaired repaired;
  STEMMA_ASSIGN_OR_RETURN(const FsckReport report, Fsck(store, {true}));
  STEMMA_ASSIGN_OR_RETURN(repaired.plan, PlanRepair(store, report, options));
  STEMMA_ASSIGN_OR_RETURN(repaired.report, CarryOut(store, repaired.plan, options));
  return repaired;
}

Repaired MustRepair(Store& store, const RepairOptions& options = {}) {
  const auto repaired = Repair(store, options);
  REQUIRE_THAT(repaired.status(), IsOk());
  CHECK(repaired->report.failed.empty());
  return *repaired;
}

void CheckWhole(const DamagedStore& at) {
  const auto report = Fsck(*at.store, {true});
  REQUIRE_THAT(report.status(), IsOk());
  CHECK(report->errors.empty());
  const Graph graph = MustLoad(*at.store);
  for (const auto& [id, record] : graph.states) CHECK_FALSE(IsQuarantined(graph, id));
}

// A store and its replica, which was whole when it was made.
struct Pair {
  DamagedStore at;
  MemoryStorage far;
  std::unique_ptr<Store> replica;
  RepairOptions options;

  explicit Pair(int64_t elements = 1 << 19) : at(elements) {
    at.CopyTo(&far, "/store");
    replica = *Store::Open("/store", false, far);
    options.from = {replica.get()};
  }
};

TEST_CASE("a whole store asks for no repair") {
  Pair pair;
  const Repaired done = MustRepair(*pair.at.store, pair.options);
  CHECK(done.plan.items.empty());
  CHECK(done.plan.beyond.empty());
}

TEST_CASE("packs, layouts and settings are mended from a store that has them, and lifted") {
  const auto damage = [](Pair& pair, int way) {
    DamagedStore& at = pair.at;
    const Record& record = at.graph.states.at(at.ids[1]);
    const Paths paths("/store");
    if (way == 0) REQUIRE(at.disk.Flip(at.Pack(1), at.data_begin + kChunkBytes));
    if (way == 1) REQUIRE_THAT(at.disk.Remove(at.Pack(1)), IsOk());
    if (way == 2) REQUIRE(at.disk.Truncate(at.Pack(1), kPackAlign));
    if (way == 3) REQUIRE(at.disk.Flip(at.Pack(1), 20));  // the header
    if (way == 4) REQUIRE(at.disk.Flip(paths.Object(ObjectKind::kBlob, record.settings.blob), 2));
    if (way == 5) REQUIRE(at.disk.Flip(paths.Object(ObjectKind::kLayout, record.layout), 9));
  };
  for (int way = 0; way < 6; ++way) {
    INFO("way " << way);
    Pair pair;
    damage(pair, way);
    const std::vector<StateId>& ids = pair.at.ids;
    const auto found = VerifyStates(*pair.at.store, pair.at.graph, ids, {});
    REQUIRE_FALSE(RecordQuarantine(*pair.at.store, found->damaged, ids)->set.empty());
    const Repaired alone = MustRepair(*pair.at.store);
    CHECK(alone.plan.items.empty());
    REQUIRE_FALSE(alone.plan.beyond.empty());
    CHECK_THAT(alone.plan.beyond[0], Catch::Contains("--from OTHER_STORE"));
    CHECK_FALSE(alone.report.damaged.empty());
    const Repaired done = MustRepair(*pair.at.store, pair.options);
    CHECK(done.plan.items.size() == 1);
    CHECK(done.report.damaged.empty());
    CHECK_FALSE(done.report.quarantine.lifted.empty());
    CheckWhole(pair.at);
    CHECK(pair.at.disk.List("/store/tmp")->empty());
  }
}

TEST_CASE("copies with damage at different places make one that is whole") {
  Pair pair;
  REQUIRE(pair.at.disk.Flip(pair.at.Pack(1), pair.at.data_begin + 1));
  REQUIRE(pair.far.Flip(pair.at.Pack(1), pair.at.data_begin + 2 * kChunkBytes));
  const Repaired done = MustRepair(*pair.at.store, pair.options);
  CHECK(done.report.damaged.empty());
  CheckWhole(pair.at);
  // Where both have lost the same chunk there is nothing to take, and it is named.
  REQUIRE(pair.at.disk.Flip(pair.at.Pack(1), pair.at.data_begin + 2 * kChunkBytes));
  const Repaired none = MustRepair(*pair.at.store, pair.options);
  REQUIRE(none.plan.beyond.size() == 1);
  CHECK_THAT(none.plan.beyond[0],
             Catch::Contains("no copy has bytes [") && Catch::Contains("'m/w1'"));
}

TEST_CASE("a wanted pack comes back from the trash, and a damaged one there is not in the way") {
  Pair pair;
  pair.at.ToTrash(0);
  const std::string trashed = pair.at.ToTrash(1);
  REQUIRE(pair.at.disk.Flip(trashed, pair.at.data_begin));
  const Repaired done = MustRepair(*pair.at.store, pair.options);
  CHECK(done.plan.items.size() == 2);
  CheckWhole(pair.at);
  CHECK_FALSE(pair.at.disk.Exists(trashed));
  FakeClock clock(pair.at.disk);
  REQUIRE_THAT(CollectGarbage(*pair.at.store, {}, clock).status(), IsOk());
  CheckWhole(pair.at);
}

TEST_CASE("a copy in the trash mends the file in its place") {
  DamagedStore at;
  const std::string bytes = *at.disk.ReadAll(at.Pack(1));
  at.ToTrash(1);
  REQUIRE_THAT(WriteDurable(at.disk, at.Pack(1), bytes), IsOk());
  REQUIRE(at.disk.Flip(at.Pack(1), at.data_begin));
  CHECK(MustRepair(*at.store).report.damaged.empty());
  CheckWhole(at);
}

TEST_CASE("what only pruned states name stays in the trash") {
  DamagedStore at;
  const std::string trashed = at.ToTrash(0);
  REQUIRE_THAT(at.store->Mark(at.ids[0], kPrunedKey, std::string("test")), IsOk());
  CHECK(MustRepair(*at.store).plan.items.empty());
  CHECK(at.disk.Exists(trashed));
}

// At every change of the disk, in every way: the store is as before or better, and a second repair
// completes it.
TEST_CASE("a death of the repairer loses nothing, and another one completes its work") {
  bool fired = true;
  for (uint64_t change = 1; fired; ++change) {
    for (const Fault fault :
         {Fault::kDieBefore, Fault::kDieAfter, Fault::kDieHalf, Fault::kIo, Fault::kShortWrite}) {
      INFO("change " << change << ", fault " << static_cast<int>(fault));
      Pair pair(1000);
      REQUIRE(pair.at.disk.Flip(pair.at.Pack(0), pair.at.data_begin));
      const std::string trashed = pair.at.ToTrash(1);
      REQUIRE(pair.at.disk.Flip(trashed, pair.at.data_begin));
      FaultyStorage faulty(pair.at.disk);
      faulty.FailAt(change, fault);
      const auto store = *Store::Open("/store", false, faulty);
      (void)Repair(*store, pair.options).status();
      fired = faulty.fired();
      pair.at.disk.Crash(change);
      pair.at.disk.AdvanceMs(2 * 3600 * 1000);
      const auto again = Repair(*pair.at.store, pair.options);
      REQUIRE_THAT(again.status(), IsOk());
      CHECK(again->report.failed.empty());
      CheckWhole(pair.at);
    }
  }
}

TEST_CASE("what crashes left is swept when it is old, and nothing else") {
  DamagedStore at;
  Paths paths("/store");
  auto living = *at.store->StartRun("living");
  const std::string ulid = NewUlid();
  const struct {
    std::string path;
    bool folder, goes;
  } cases[] = {
      {paths.TmpOf(at.graph.runs.at("base").ulid, 1), true, true},
      {living->tmp_dir() + "/pack", false, false},
      {"/store/tmp/object-" + ulid, false, true},
      {"/store/tmp/claim-" + ulid, true, true},
      {"/store/tmp/notes.txt", false, false},
      {paths.Aside(at.PackOf(0), ulid), false, true},
      {paths.NameDir("empty"), true, true},
      {at.Pack(0), false, false},
  };
  for (const auto& one : cases) {
    if (at.disk.Exists(one.path)) continue;
    if (one.folder) REQUIRE_THAT(at.disk.MakeDir(one.path), IsOk());
    if (!one.folder) REQUIRE_THAT(WriteDurable(at.disk, one.path, "x"), IsOk());
  }
  REQUIRE_THAT(WriteDurable(at.disk, "/store/tmp/claim-" + ulid + "/run", "x"), IsOk());
  CHECK(MustRepair(*at.store).plan.items.empty());  // all are young
  at.disk.AdvanceMs(2 * 3600 * 1000);
  MustRepair(*at.store);
  for (const auto& one : cases) {
    INFO(one.path);
    CHECK(at.disk.Exists(one.path) != one.goes);
  }
  CheckWhole(at);
}

TEST_CASE("the intent of a dead forker is closed when asked for, and the collector may go on") {
  bool closed = false;
  for (uint64_t change = 1;; ++change) {
    Scene scene(false);
    FaultyStorage faulty(scene.disk);
    faulty.FailAt(change, Fault::kDieAfter);
    {
      const auto store = *Store::Open("/store", false, faulty);
      (void)store->Fork(scene.before, scene.states[0], "child", {}).status();
    }
    if (!faulty.fired()) break;
    RepairOptions options;
    options.close_intents = true;
    options.mend = false;
    const auto plan = [&] {
      const auto planned = PlanRepair(*scene.store, {}, options);
      REQUIRE_THAT(planned.status(), IsOk());
      return *planned;
    };
    CHECK(plan().items.empty());  // its maker may live
    scene.disk.AdvanceMs(2 * 3600 * 1000);
    const RepairPlan now = plan();
    for (const RepairItem& item : now.items) {
      CHECK_THAT(item.text, Catch::Contains("'fork child' of process "));
    }
    REQUIRE_THAT(CarryOut(*scene.store, now, options).status(), IsOk());
    CHECK(plan().items.empty());
    if (now.items.empty()) continue;
    closed = true;
    scene.Prune(0);
    scene.disk.AdvanceMs(3600 * 1000);
    REQUIRE_THAT(scene.Gc().status(), IsOk());  // drops the dead forker's lease
    REQUIRE_THAT(scene.Gc().status(), IsOk());
    CHECK_FALSE(scene.Has(0));
  }
  CHECK(closed);
}

// The person was wrong: the forker lives, at any point of its work.
TEST_CASE("a forker whose intent was closed holds its bytes or fails loudly") {
  int refused = 0;
  for (int at = 1;; ++at) {
    Scene scene(false);
    tests::StepStorage steps(scene.disk, at, [&] {
      std::vector<std::string> unreadable;
      const auto intents = OpenIntents(*scene.store, &unreadable);
      REQUIRE_THAT(intents.status(), IsOk());
      for (const OpenIntent& intent : *intents) {
        REQUIRE_THAT(CloseIntent(*scene.store, intent, "test"), IsOk());
      }
      scene.Prune(0);
      (void)scene.Gc().status();
    });
    const Result<StateId> fork = scene.Fork(steps);
    if (!steps.ran()) break;
    INFO("at call " << at);
    if (!fork.ok()) ++refused;
    scene.CheckAtRest(Promised(fork));
  }
  CHECK(refused > 0);
}

}  // namespace
}  // namespace stemma::lineage
