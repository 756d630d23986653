#include "lineage/collect.h"

#include <memory>
#include <string>
#include <utility>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/fsck.h"
#include "lineage/lease.h"
#include "lineage/marks.h"
#include "lineage/survey.h"

#include "tests/support/gc_scene.h"
#include "tests/support/lineage_samples.h"

namespace stemma::lineage {
namespace {

using tests::HasCode;
using tests::IsOk;

TEST_CASE("gc frees what a mark gave up, and nothing else") {
  Scene scene;
  const Result<GcReport> plan = PlanGc(*scene.store, {});
  REQUIRE_THAT(plan.status(), IsOk());
  CHECK(plan->freed.size() == 1);
  CHECK(scene.Has(0));
  const Result<GcReport> done = scene.Gc();
  REQUIRE_THAT(done.status(), IsOk());
  REQUIRE(done->freed.size() == 1);
  CHECK(done->freed[0].why == "pruned base@10");
  CHECK(done->freed_bytes == scene.before.states.at(scene.states[0]).packs[0].bytes);
  CHECK_FALSE(scene.Has(0));
  CHECK(scene.Has(1));
  scene.CheckAtRest(scene.states);
  const Graph graph = MustLoad(*scene.store);
  CHECK_THAT(scene.store->Fork(graph, scene.states[0], "x", {}).status(),
             HasCode(Code::kNotFound, "was pruned by"));
  CHECK_THAT(scene.store->EnsurePacks(graph.states.at(scene.states[0]), IfPruned::kRefuse),
             HasCode(Code::kNotFound, "its bytes are gone"));
  CHECK_THAT(UndoPrune(*scene.store, graph, scene.states[0]), HasCode(Code::kNotFound));
  CHECK(IsPruned(MustLoad(*scene.store), scene.states[0]));
}

TEST_CASE("a pack that an unpruned fork shares stays") {
  Scene scene(false);
  const Result<StateId> child = scene.Fork(scene.disk);
  REQUIRE_THAT(child.status(), IsOk());
  scene.Prune(0);
  scene.disk.AdvanceMs(3600 * 1000);
  CHECK(scene.Gc()->freed.empty());
  CHECK(scene.Has(0));
  REQUIRE_THAT(scene.store->Mark(*child, kPrunedKey, std::string("too")), IsOk());
  CHECK(scene.Gc()->freed.size() == 1);
}

TEST_CASE("a new collector adopts the trash of one that died, and a zombie cannot unlink there") {
  Scene scene;
  Collector dead(*scene.store, {}, scene.clock);
  RunSteps(dead, 0, 7);  // all but the last: its pack is doomed
  Collector next(*scene.store, {}, scene.clock);
  RunSteps(next, 0, 5);
  const Result<StateId> fork = scene.Fork(scene.disk);
  CHECK_THAT(fork.status(), HasCode(Code::kNotFound, "was pruned"));
  RunSteps(dead, 7, kSteps);
  REQUIRE_THAT(UndoPrune(*scene.store, MustLoad(*scene.store), scene.states[0]), IsOk());
  RunSteps(next, 5, kSteps);
  CHECK(scene.Has(0));
  scene.CheckAtRest(scene.states);
}

TEST_CASE("a second collector is refused as long as the first one beats") {
  Scene scene;
  Collector first(*scene.store, {}, scene.clock);
  RunSteps(first, 0, 4);
  FakeClock watching(scene.disk);
  watching.during = [&] { RunSteps(first, 4, 5); };
  CHECK_THAT(CollectGarbage(*scene.store, {}, watching).status(),
             HasCode(Code::kInvalidArgument, "is at work"));
  watching.during = nullptr;
  CHECK_THAT(CollectGarbage(*scene.store, {}, watching).status(), IsOk());  // it stood still
}

TEST_CASE("a prune can be undone until the bytes are unlinked") {
  for (int until = 0; until <= kSteps; ++until) {
    Scene scene;
    Collector collector(*scene.store, {}, scene.clock);
    RunSteps(collector, 0, until);
    const Status undone = UndoPrune(*scene.store, MustLoad(*scene.store), scene.states[0]);
    INFO("before step " << until);
    CHECK(undone.ok() == (until < kSteps));
    RunSteps(collector, until, kSteps);
    scene.CheckAtRest(scene.states);
    CHECK(scene.Has(0) == undone.ok());
  }
}

TEST_CASE("what becomes a root during the grace comes back") {
  Scene scene;
  bool tagged = false;
  scene.clock.during = [&] {
    if (std::exchange(tagged, true)) return;
    CHECK_FALSE(scene.Has(0));
    REQUIRE_THAT(scene.store->SetTag("best", scene.states[0], "", {}), IsOk());
  };
  CHECK(scene.Gc()->returned.size() == 1);
  CHECK(tagged);
  CHECK(scene.Has(0));
}

TEST_CASE("a lease holds its packs while it beats, and is swept when it does not") {
  for (const bool beats : {true, false}) {
    Scene scene;
    auto lease = Lease::Take(scene.disk, Paths("/store"),
                             {scene.before.states.at(scene.states[0]).packs[0].pack}, "test");
    REQUIRE_THAT(lease.status(), IsOk());
    if (beats) scene.clock.during = [&] { REQUIRE_THAT(lease->Beat(), IsOk()); };
    CHECK(scene.Gc()->freed.empty());
    CHECK(scene.disk.Exists(Paths("/store").LeaseDir(lease->ulid())) == beats);
    CHECK(scene.Gc()->freed.size() == (beats ? 0 : 1));
  }
}

// The notes are read once, however many scopes there are: a later opening is not in it.
TEST_CASE("the ages of scopes in one survey are of one reading of the notes") {
  Scene scene;
  REQUIRE_THAT(OpenScope(*scene.store, "early", 60), IsOk());
  const Result<Survey> survey = SurveyStore(*scene.store, 0);
  REQUIRE_THAT(survey.status(), IsOk());
  CHECK(survey->facts.scope_age_s("early").has_value());
  REQUIRE_THAT(OpenScope(*scene.store, "late", 60), IsOk());
  CHECK_FALSE(survey->facts.scope_age_s("late").has_value());
  CHECK(survey->facts.scope_age_s("early").has_value());
  const Result<Survey> next = SurveyStore(*scene.store, 0);
  REQUIRE_THAT(next.status(), IsOk());
  CHECK(next->facts.scope_age_s("late").has_value());
}

TEST_CASE("clocks that jump decide nothing but how long a pack is kept") {
  for (const int64_t hours : {-2, 2}) {
    Scene scene;
    scene.disk.AdvanceMs(hours * 3600 * 1000);
    REQUIRE_THAT(scene.Gc().status(), IsOk());
    CHECK(scene.Has(0) == (hours < 0));  // back: it looks as if written just now
    scene.CheckWhole(scene.states);
  }
}

TEST_CASE("gc frees nothing while a log or the notes cannot be read whole") {
  Scene scene;
  const std::string log = Paths("/store").LogSegment(scene.run, 1, 1);
  REQUIRE(scene.disk.Flip(log, 200));
  CHECK_THAT(scene.Gc().status(), HasCode(Code::kCorruption, "none is freed"));
  REQUIRE(scene.disk.Flip(log, 200));
  const std::string notes = "/store/notes/" + scene.disk.List("/store/notes")->front();
  scene.Prune(0);
  REQUIRE(scene.disk.Flip(notes, 60));
  CHECK_THAT(scene.Gc().status(), HasCode(Code::kCorruption, "none is freed"));
  CHECK(scene.Has(0));
}

// An orphan of an incarnation, old enough.
std::string PutOrphan(Scene& scene, const std::string& run, uint32_t incarnation) {
  PackIdentity identity = tests::SampleIdentity(0, 1, {});
  identity.run = run;
  identity.incarnation = incarnation;
  const Result<Layout> layout =
      Layout::Of({tests::MakeSpan("w", "params", DType::kF32, {incarnation + 5})});
  REQUIRE_THAT(layout.status(), IsOk());
  const auto id = tests::WriteSamplePack(*layout, identity, scene.disk, "/store/tmp/orphan");
  REQUIRE_THAT(id.status(), IsOk());
  const std::string path = scene.store->PackPath(*id);
  REQUIRE_THAT(scene.disk.Rename("/store/tmp/orphan", path), IsOk());
  scene.disk.AdvanceMs(3600 * 1000);
  return path;
}

TEST_CASE("an orphan goes only when its incarnation is over") {
  Scene scene(false);
  const auto living = *scene.store->StartRun("living");
  const std::string of_living = PutOrphan(scene, living->run(), 1);
  const std::string of_closed = PutOrphan(scene, scene.run, 1);
  const std::string of_nobody = PutOrphan(scene, NewUlid(), 1);
  REQUIRE_THAT(scene.Gc().status(), IsOk());
  CHECK(scene.disk.Exists(of_living));
  CHECK_FALSE(scene.disk.Exists(of_closed));
  CHECK(scene.disk.Exists(of_nobody));
  SECTION("superseded for longer than the grace") {
    REQUIRE_THAT(scene.store->NextIncarnation("living").status(), IsOk());
    CHECK(scene.Gc()->freed.empty());
    scene.disk.AdvanceMs(3600 * 1000);
  }
  SECTION("declared dead") {
    const StateId target = IncarnationTarget(living->run(), 1);
    REQUIRE_THAT(scene.store->Mark(target, kDeadKey, std::string("node lost")), IsOk());
  }
  REQUIRE_THAT(scene.Gc().status(), IsOk());
  CHECK_FALSE(scene.disk.Exists(of_living));
}

TEST_CASE("roots win over marks") {
  Scene scene;
  REQUIRE_THAT(scene.store->SetTag("best", scene.states[0], "", {}), IsOk());
  CHECK(scene.Gc()->freed.empty());
  REQUIRE_THAT(scene.store->RemoveTag("best", "", {}), IsOk());
  REQUIRE_THAT(OpenScope(*scene.store, "paper", 1e6), IsOk());
  REQUIRE_THAT(AddToScope(*scene.store, MustLoad(*scene.store), "paper", scene.states[0]), IsOk());
  CHECK(scene.Gc()->freed.empty());
  scene.disk.AdvanceMs(int64_t{1000001} * 1000);  // outlived
  CHECK(scene.Gc()->freed.size() == 1);
}

TEST_CASE("what a person keeps stays until it is let go, or its time has passed") {
  Scene scene(false);
  Store& store = *scene.store;
  const StateId& state = scene.states[0];
  REQUIRE_THAT(store.Mark(state, kCriticalKey, true), IsOk());
  REQUIRE_THAT(Keep(store, MustLoad(store), state, std::nullopt), IsOk());
  CHECK_THAT(Keep(store, MustLoad(store), state, 0), HasCode(Code::kInvalidArgument));
  scene.Prune(0);
  CHECK(scene.Gc()->freed.empty());
  CHECK_THAT(Keep(store, MustLoad(store), state, 60), HasCode(Code::kInvalidArgument, "is pruned"));
  REQUIRE_THAT(StopKeeping(store, MustLoad(store), state), IsOk());
  CHECK_THAT(StopKeeping(store, MustLoad(store), state),
             HasCode(Code::kInvalidArgument, "is neither"));

  REQUIRE_THAT(UndoPrune(store, MustLoad(store), state), IsOk());
  REQUIRE_THAT(Keep(store, MustLoad(store), state, 1e6), IsOk());
  scene.Prune(0);
  CHECK(scene.Gc()->freed.empty());
  scene.disk.AdvanceMs(int64_t{1000001} * 1000);
  CHECK(scene.Gc()->freed.size() == 1);
}

TEST_CASE("a state whose bytes are gone cannot be kept") {
  Scene scene(false);
  const Graph graph = MustLoad(*scene.store);
  const PackRef& pack = graph.states.at(scene.states[0]).packs[0];
  REQUIRE_THAT(scene.disk.Remove(scene.store->PackPath(pack.pack)), IsOk());
  CHECK_THAT(Keep(*scene.store, graph, scene.states[0], std::nullopt), HasCode(Code::kNotFound));
}

TEST_CASE("fsck calls a pruned state whole, also where its bytes are gone") {
  Scene scene(false);
  const Result<Layout> layout = Layout::Of({tests::MakeSpan("w", "params", DType::kF32, {6})});
  const auto run = *scene.store->StartRun("real");
  const std::string path = PutOrphan(scene, run->run(), 1);
  Record record;
  record.layout = *scene.store->PutLayout(layout->bytes());
  record.packs = {{0, 1, *ParseObject(BaseOf(path)), *scene.disk.SizeOf(path)}};
  const Result<StateId> id = run->Append(record);
  REQUIRE_THAT(run->Close(), IsOk());
  const auto faults = [&] {
    size_t count = 0;
    const Result<FsckReport> report = Fsck(*scene.store, {});
    for (const std::string& error : report->errors) count += error.rfind("real@", 0) == 0;
    return count;
  };
  CHECK(faults() == 0);
  REQUIRE_THAT(scene.store->Mark(*id, kPrunedKey, std::string("test")), IsOk());
  Collector collector(*scene.store, {}, scene.clock);
  RunSteps(collector, 0, 4);
  CHECK(faults() == 0);  // in the trash
  RunSteps(collector, 4, kSteps);
  CHECK_FALSE(scene.disk.Exists(path));
  CHECK(faults() == 0);
  REQUIRE_THAT(scene.store->Mark(*id, kPrunedKey, std::string()), IsOk());
  CHECK(faults() == 1);
}

TEST_CASE("a notice is the bytes that FORMAT.md shows, and a damaged one is refused") {
  Notice notice;
  notice.owner = tests::kSampleRun;
  notice.counter = 7;
  notice.objects = {Sha256("pack 0"), Sha256("pack 1")};
  notice.bytes = 20480;
  notice.who = "ana@node7";
  notice.why = "fork hot";
  notice.wall_ms = 1700000000123;
  const std::string bytes = *EncodeNotice(notice);
  CHECK(Hex(bytes.substr(0, 20)) == "53544d57524b310a01001a000000303141525a33");
  CHECK(Hex(bytes.substr(40, 24)) ==
        "02000800000007000000000000000300"
        "40000000c55a7a80");
  const Result<Notice> back = DecodeNotice(bytes);
  REQUIRE_THAT(back.status(), IsOk());
  CHECK(*EncodeNotice(*back) == bytes);
  CHECK(back->objects == notice.objects);
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string bad = bytes;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    CHECK_THAT(DecodeNotice(bad).status(), HasCode(Code::kCorruption));
    CHECK_THAT(DecodeNotice(bytes.substr(0, at)).status(), HasCode(Code::kCorruption));
  }
  notice.owner = "nobody";
  CHECK_THAT(EncodeNotice(notice).status(), HasCode(Code::kInvalidArgument, "owner"));
}

TEST_CASE("keys that decide on bytes are not for people") {
  Scene scene;
  CHECK_THAT(scene.store->Annotate(scene.states[1], kPrunedKey, std::string("x")),
             HasCode(Code::kInvalidArgument, "stemma prune"));
}

}  // namespace
}  // namespace stemma::lineage
