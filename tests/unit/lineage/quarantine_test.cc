// A state with damage is quarantined by whoever finds it, is gone on from by nobody, and is free
// again when its bytes are.
#include "lineage/repair/quarantine.h"

#include <string>
#include <vector>

#include "core/bytes.h"
#include "lineage/faulty_storage.h"
#include "lineage/fsck.h"
#include "lineage/graph.h"
#include "lineage/index.h"
#include "lineage/marks.h"
#include "lineage/reader/state_reader.h"

#include "tests/support/damaged_store.h"

#include <catch2/catch.hpp>

namespace stemma::lineage {
namespace {

using tests::DamagedStore;
using tests::HasCode;
using tests::IsOk;

QuarantineChanges Verify(DamagedStore& at, const std::vector<StateId>& ids) {
  const auto report = VerifyStates(*at.store, MustLoad(*at.store), ids, {});
  REQUIRE_THAT(report.status(), IsOk());
  const auto changes = RecordQuarantine(*at.store, report->damaged, ids);
  REQUIRE_THAT(changes.status(), IsOk());
  return *changes;
}

TEST_CASE("damage is noted once, for all states that share it, and lifted when it is gone") {
  DamagedStore at;
  CHECK(Verify(at, at.ids).set.empty());
  REQUIRE(at.disk.Flip(at.Pack(1), at.data_begin + 100));
  // Whoever looks at one of them tells of the other.
  const QuarantineChanges first = Verify(at, {at.ids[1]});
  CHECK(first.set.size() == 2);
  CHECK(Verify(at, {at.ids[1]}).set.empty());
  Graph graph = MustLoad(*at.store);
  CHECK_FALSE(IsQuarantined(graph, at.ids[0]));
  CHECK(IsQuarantined(graph, at.ids[2]));
  CHECK_THAT(QuarantineOf(graph, at.ids[1]),
             Catch::StartsWith("pack " + Hex(at.PackOf(1)).substr(0, 16) + ": 'w1'") &&
                 Catch::Contains("bytes [" + std::to_string(at.data_begin) + ", ") &&
                 Catch::EndsWith("do not have their digest"));
  CHECK_THAT(QuarantineWords(*at.store, graph, at.ids[1]),
             Catch::StartsWith("quarantined by ") && Catch::Contains(" UTC (pack ") &&
                 Catch::Contains("stemma fsck --repair"));
  CHECK(
      (IndexOf(graph, *at.store).flags == Column<uint8_t>{0, kQuarantinedFlag, kQuarantinedFlag}));

  // fsck finds the same and says the same: nothing new is noted.
  const auto fsck = Fsck(*at.store, {true});
  REQUIRE_THAT(fsck.status(), IsOk());
  CHECK(fsck->read.size() == 3);
  CHECK(RecordQuarantine(*at.store, fsck->damaged, fsck->read)->set.empty());

  REQUIRE(at.disk.Flip(at.Pack(1), at.data_begin + 100));
  CHECK(Verify(at, {at.ids[1]}).lifted == std::vector<StateId>{at.ids[1]});
  graph = MustLoad(*at.store);
  CHECK_FALSE(IsQuarantined(graph, at.ids[1]));
  CHECK(IsQuarantined(graph, at.ids[2]));  // nobody has read all of that one
  CHECK(QuarantineWords(*at.store, graph, at.ids[1]).empty());
  const auto again = Fsck(*at.store, {true});
  CHECK(RecordQuarantine(*at.store, again->damaged, again->read)->lifted ==
        std::vector<StateId>{at.ids[2]});
}

TEST_CASE("a quarantined state is neither resumed nor forked, and the one before it is offered") {
  DamagedStore at;
  REQUIRE(at.disk.Flip(at.Pack(1), at.data_begin));
  CHECK(*ResumePoint(*at.store, at.graph, "base", nullptr) == at.ids[1]);  // its header is good
  const auto verdict = JudgeFailedRestore(*at.store, at.ids[1]);
  REQUIRE_THAT(verdict.status(), IsOk());
  CHECK(verdict->quarantined);
  CHECK(verdict->restart_helps);
  CHECK_THAT(verdict->text, Catch::Contains("base@20 is quarantined: pack ") &&
                                Catch::Contains("'w1'") && Catch::Contains("go on from base@10"));
  // What the failure named is not named again; what it did not is.
  const std::string failed =
      ReadSpan(*at.store, at.graph.states.at(at.ids[1]), "w1").status().message();
  const auto told = JudgeFailedRestore(*at.store, at.ids[1], failed);
  REQUIRE_THAT(told.status(), IsOk());
  CHECK_THAT(told->text, Catch::StartsWith("base@20 is quarantined. To mend it"));
  REQUIRE(at.disk.Flip(at.Pack(1), at.data_begin + kChunkBytes));
  const auto more = JudgeFailedRestore(*at.store, at.ids[1], failed);
  REQUIRE_THAT(more.status(), IsOk());
  CHECK_THAT(more->text, Catch::StartsWith("base@20 is quarantined; also damaged: pack "));
  const Graph graph = MustLoad(*at.store);
  std::vector<std::string> skipped;
  CHECK(*ResumePoint(*at.store, graph, "base", &skipped) == at.ids[0]);
  REQUIRE(skipped.size() == 1);
  CHECK_THAT(skipped[0], Catch::Contains("base@20") && Catch::Contains("quarantined by "));
  CHECK_THAT(at.store->Fork(graph, at.ids[1], "late", {}).status(),
             HasCode(Code::kCorruption, "quarantined by "));
  // The fork has nothing else, and what it came from may do.
  CHECK_THAT(ResumePoint(*at.store, graph, "fork", nullptr).status(),
             HasCode(Code::kNotFound, "stemma fork base@10 --name"));
  CHECK_THAT(at.store->Fork(graph, at.ids[0], "early", {}).status(), IsOk());
}

TEST_CASE("only what was seen to be wrong counts as evidence") {
  DamagedStore at;
  const auto good = JudgeFailedRestore(*at.store, at.ids[1]);  // it failed somewhere else
  REQUIRE_THAT(good.status(), IsOk());
  CHECK_FALSE(good->quarantined);
  CHECK_THAT(good->text, Catch::Contains("good when they are read again"));
  const Damage silent = {{at.ids[1]}, at.Pack(1), {}, "read: Input/output error", Code::kIo};
  CHECK(RecordQuarantine(*at.store, {silent}, at.ids)->set.empty());
  // Nor is a state lifted that could not be looked at.
  const Damage wrong = {{at.ids[1]}, at.Pack(1), {}, "cut short"};
  CHECK(RecordQuarantine(*at.store, {wrong}, at.ids)->set == std::vector<StateId>{at.ids[1]});
  CHECK(RecordQuarantine(*at.store, {silent}, at.ids)->lifted.empty());
  // A pruned state has given its bytes up.
  REQUIRE_THAT(at.store->Mark(at.ids[0], kPrunedKey, std::string("test")), IsOk());
  CHECK(RecordQuarantine(*at.store, {{{at.ids[0]}, at.Pack(0), {}, "gone"}}, at.ids)->set.empty());
}

TEST_CASE("a pack in a collector's trash is no damage") {
  DamagedStore at;
  at.ToTrash(1);
  CHECK(Verify(at, at.ids).set.empty());
  CHECK(at.disk.Exists(at.Pack(1)));
}

TEST_CASE(
    "missing packs, headers, layouts and settings are damage, by whichever way they are seen") {
  DamagedStore at;
  const Record& record = at.graph.states.at(at.ids[0]);
  const Paths paths(at.store->path());
  const struct {
    std::string path;
    bool cut;
  } cases[] = {{at.Pack(0), false},
               {at.Pack(0), true},
               {paths.Object(ObjectKind::kLayout, record.layout), false},
               {paths.Object(ObjectKind::kBlob, record.settings.blob), true}};
  for (const auto& one : cases) {
    INFO(one.path << (one.cut ? " cut" : " gone"));
    const std::string bytes = *at.disk.ReadAll(one.path);
    if (one.cut) REQUIRE(at.disk.Truncate(one.path, bytes.size() / 2));
    if (!one.cut) REQUIRE_THAT(at.disk.Remove(one.path), IsOk());
    const QuarantineChanges set = Verify(at, {at.ids[0]});
    CHECK(set.set.size() >= 1);
    const auto fsck = Fsck(*at.store, {true});
    CHECK_FALSE(fsck->clean());
    CHECK(DamageText(fsck->damaged, at.ids[0]) == QuarantineOf(MustLoad(*at.store), at.ids[0]));
    if (one.cut) REQUIRE_THAT(at.disk.Remove(one.path), IsOk());
    REQUIRE_THAT(WriteDurable(at.disk, one.path, bytes), IsOk());
    CHECK(Verify(at, at.ids).lifted.size() >= 1);
  }
}

TEST_CASE("a death at any change leaves a note or none, and doing it again completes it") {
  bool fired = true;
  for (uint64_t change = 1; fired; ++change) {
    for (const Fault fault : {Fault::kDieBefore, Fault::kDieHalf, Fault::kDieAfter, Fault::kIo}) {
      DamagedStore at(1000);
      REQUIRE(at.disk.Flip(at.Pack(1), at.data_begin));
      FaultyStorage faulty(at.disk);
      faulty.FailAt(change, fault);
      {
        const auto store = *Store::Open("/store", false, faulty);
        (void)JudgeFailedRestore(*store, at.ids[1]);
      }
      fired = faulty.fired();
      at.disk.Crash(change);
      INFO("change " << change);
      const auto verdict = JudgeFailedRestore(*at.store, at.ids[1]);
      REQUIRE_THAT(verdict.status(), IsOk());
      CHECK(verdict->quarantined);
      CHECK(IsQuarantined(MustLoad(*at.store), at.ids[1]));
      CHECK(IsQuarantined(MustLoad(*at.store), at.ids[2]));
    }
  }
}

}  // namespace
}  // namespace stemma::lineage
