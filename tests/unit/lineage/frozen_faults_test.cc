// Frozen packs beside collectors, crashes and damage: as safe as those that each capture writes.
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lineage/faulty_storage.h"
#include "lineage/repair/intents.h"
#include "lineage/repair/quarantine.h"

#include "tests/support/frozen_scene.h"
#include "tests/support/step_storage.h"

namespace stemma::lineage {
namespace {

using tests::StepStorage;

TEST_CASE("gc keeps frozen packs while any state names them, and frees them after") {
  Thawed at;
  REQUIRE_THAT(at.Prune("base@10"), IsOk());
  CHECK(at.Gc()->freed.size() == 1);
  CHECK(at.HasFrozen());
  SoloCohort solo;
  CHECK_THAT(tests::CheckRestores(*at.store, At(at.graph, "base@20"), Model(), solo), IsOk());
  REQUIRE_THAT(at.Prune("base@20"), IsOk());
  CHECK(at.Gc()->freed.size() == 2);
  CHECK_FALSE(at.HasFrozen());
  CheckWhole(*at.store);
}

// A process that restored base@20 begins a run of its own from it, through `storage`.
Status CaptureChild(Storage& storage, const Record& from) {
  STEMMA_ASSIGN_OR_RETURN(const auto store, Store::Open("/store", false, storage));
  SoloCohort solo;
  ToySpans state(Model(), 0);
  ToyRank toy{*store, solo, state, nullptr, nullptr};
  STEMMA_RETURN_IF_ERROR(toy.Begin("child", false, Settings(), &from));
  return Capturing({21, 22}, from.id)(toy);
}

TEST_CASE("frozen packs that a collector takes away at any moment: the capture holds or fails") {
  int held = 0, refused = 0;
  for (int at = 1;; ++at) {
    Thawed scene;
    Status gone;
    const auto take = [&] {
      for (const char* name : {"base@10", "base@20"}) {
        if (gone.ok()) gone = scene.Prune(name);
      }
      for (int i = 0; i < 2; ++i) {
        if (gone.ok()) gone = scene.Gc().status();
      }
    };
    StepStorage steps(scene.disk, at, take);
    const Status captured = CaptureChild(steps, At(scene.graph, "base@20"));
    if (!steps.ran()) break;
    INFO("at call " << at << ": " << captured.message());
    REQUIRE_THAT(gone, IsOk());
    ++(captured.ok() ? held : refused);
    REQUIRE_THAT(scene.Gc().status(), IsOk());
    const Graph graph = MustLoad(*scene.store);
    CHECK(captured.ok() <= (graph.runs.count("child") && graph.runs.at("child").head));
    CheckWhole(*scene.store);
    SoloCohort solo;
    for (const auto& [id, record] : graph.states) {
      if (record.run_name != "child") continue;
      REQUIRE_THAT(tests::CheckRestores(*scene.store, record, Model(), solo), IsOk());
    }
  }
  CHECK(held > 10);
  CHECK(refused > 10);
}

TEST_CASE("a frozen pack that lies in a trash comes back with the capture that names it") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  CheckAllOk(RunJob(*store, 1, Model(), "base", nullptr, false, [&](ToyRank& toy) -> Status {
    STEMMA_RETURN_IF_ERROR(CaptureAs(toy, 10, Role::kFrozen));
    const Graph graph = *store->Load();
    const ObjectId pack = FrozenOf(graph.states.begin()->second).at(0);
    const Paths paths("/store");
    for (const std::string& dir : {paths.TrashDir(), paths.TrashOf(1)}) {
      STEMMA_RETURN_IF_ERROR(disk.MakeDir(dir));
    }
    STEMMA_RETURN_IF_ERROR(disk.Rename(store->PackPath(pack), paths.Trashed(1, pack)));
    return CaptureAs(toy, 20, Role::kFrozen);
  }));
  CheckRestores(*store, Model(), 1);
}

TEST_CASE("a capture whose intent somebody closed is withdrawn, or was a state before") {
  int held = 0, withdrawn = 0;
  for (int at = 1;; ++at) {
    Thawed scene;
    size_t closed = 0;
    StepStorage steps(scene.disk, at, [&] {
      const auto intents = OpenIntents(*scene.store, nullptr);
      if (!intents.ok()) return;
      for (const OpenIntent& intent : *intents) {
        if (CloseIntent(*scene.store, intent, "test").ok()) ++closed;
      }
    });
    const Status captured = CaptureChild(steps, At(scene.graph, "base@20"));
    if (!steps.ran()) break;
    INFO("at call " << at << ": " << captured.message());
    if (closed == 0) {
      REQUIRE_THAT(captured, IsOk());
      ++held;
      continue;
    }
    CHECK_THAT(captured, HasCode(Code::kIncompatible, "took this process for dead"));
    ++withdrawn;
  }
  CHECK(held > 10);
  CHECK(withdrawn > 2);
}

TEST_CASE("a crash at any change of captures with frozen spans loses nothing acknowledged") {
  struct Case {
    bool from_scratch;
    Fault fault;
  };
  for (const Case& one : {Case{true, Fault::kDieBefore}, Case{true, Fault::kDieAfter},
                          Case{false, Fault::kDieBefore}, Case{false, Fault::kDieHalf}}) {
    bool fired = true;
    for (uint64_t change = 1; fired; ++change) {
      MemoryStorage disk;
      SoloCohort solo;
      std::optional<Record> from;
      if (!one.from_scratch) {
        const std::unique_ptr<Store> store = OpenStore(disk);
        CheckAllOk(RunJob(*store, 1, Model(), "base", nullptr, false, Capturing({10})));
        from = At(MustLoad(*store), "base@10");
      } else {
        OpenStore(disk);
      }
      FaultyStorage faulty(disk);
      std::vector<int64_t> acknowledged;
      faulty.FailAt(change, one.fault);
      (void)RunJob(*OpenStore(faulty), 1, Model(), "base", from ? &*from : nullptr,
                   !one.from_scratch, [&](ToyRank& toy) -> Status {
                     for (const int64_t step : {20, 30}) {
                       STEMMA_RETURN_IF_ERROR(Capturing({step})(toy));
                       acknowledged.push_back(step);
                     }
                     return {};
                   });
      fired = faulty.fired();
      disk.Crash(change);
      INFO("from scratch " << one.from_scratch << ", change " << change);
      const std::unique_ptr<Store> after = OpenStore(disk);
      const Graph graph = MustLoad(*after);
      for (const int64_t step : acknowledged) {
        CHECK_THAT(Resolve(graph, "base@" + std::to_string(step)).status(), IsOk());
      }
      CheckRestores(*after, Model(), 1);
      CheckWhole(*after);
      const auto base = graph.runs.find("base");
      if (base == graph.runs.end()) continue;
      std::optional<Record> head;
      if (base->second.head) head = graph.states.at(*base->second.head);
      CheckAllOk(
          RunJob(*after, 1, Model(), "base", head ? &*head : nullptr, true, Capturing({40})));
      const Record last = At(MustLoad(*after), "base@40");
      if (head) CHECK(FrozenOf(last) == FrozenOf(*head));
    }
  }
}

// As the training's loop does it: what one rank's Capture() says, all ranks hear. True: durable.
Result<bool> CaptureAlike(ToyRank& toy, int64_t step, Role base) {
  toy.state.spans = Model(base);
  toy.state.Fill(step);
  CaptureRequest request;
  request.record.step = step;
  request.spans = toy.state.spans;
  STEMMA_RETURN_IF_ERROR(Agree(toy.cohort, toy.capturer->Capture(std::move(request))));
  STEMMA_RETURN_IF_ERROR(toy.capturer->WaitCopied());
  STEMMA_ASSIGN_OR_RETURN(const auto durable, toy.capturer->Finish(toy.cohort));
  return durable.size() == 1;
}

// The layout becomes another one in mid-training, so that capture has an object to write that none
// before it had; with two ranks, a rank may have that alone.
TEST_CASE("row 9: no room for a layout of thawed or frozen spans drops that capture on all ranks") {
  for (const int ranks : {1, 2}) {
    for (const Role to : {Role::kReplicated, Role::kFrozen}) {
      const Role from = to == Role::kFrozen ? Role::kReplicated : Role::kFrozen;
      int dropped = 0;
      bool fired = true;
      for (uint64_t change = 1; fired; ++change) {
        INFO("ranks " << ranks << ", to role " << static_cast<int>(to) << ", change " << change);
        MemoryStorage disk;
        FaultyStorage faulty(disk);
        const std::unique_ptr<Store> store = OpenStore(faulty);
        std::vector<int> lost(static_cast<size_t>(ranks), 0);
        CheckAllOk(
            RunJob(*store, ranks, Model(from), "base", nullptr, false, [&](ToyRank& toy) -> Status {
              STEMMA_ASSIGN_OR_RETURN(const bool first, CaptureAlike(toy, 10, from));
              STEMMA_RETURN_IF_ERROR(Agree(toy.cohort, {}));
              if (toy.cohort.rank() == 0) faulty.FailAt(change, Fault::kNoSpace);
              STEMMA_RETURN_IF_ERROR(Agree(toy.cohort, {}));
              STEMMA_ASSIGN_OR_RETURN(const bool second, CaptureAlike(toy, 20, to));
              const bool told = IsNoSpace(toy.capturer->last_failure());
              STEMMA_RETURN_IF_ERROR(Agree(toy.cohort, {}));
              if (toy.cohort.rank() == 0) {
                fired = faulty.fired();
                faulty.FailAt(0, Fault::kNoSpace);
              }
              STEMMA_RETURN_IF_ERROR(Agree(toy.cohort, {}));
              STEMMA_ASSIGN_OR_RETURN(const bool third, CaptureAlike(toy, 30, to));
              lost[static_cast<size_t>(toy.cohort.rank())] = second ? 0 : 1;
              return first && third && second != told ? Status() : Status(Code::kInternal, "lost");
            }));
        CHECK(lost == std::vector<int>(lost.size(), lost[0]));
        dropped += lost[0];
        CHECK(MustLoad(*store).states.size() == (lost[0] ? 2 : 3));
        CheckWhole(*store);
        CHECK(Fsck(*store, {})->orphans == 0);
      }
      CHECK(dropped > 6);
    }
  }
}

TEST_CASE("damage in a frozen pack quarantines every state that names it, and no other") {
  Thawed at;
  REQUIRE_THAT(at.store->Fork(at.graph, At(at.graph, "base@10").id, "child", {}).status(), IsOk());
  const std::string path = at.store->PackPath(FrozenOf(At(at.graph, "base@20")).at(0));
  REQUIRE(at.disk.Flip(path, *at.disk.SizeOf(path) / 2));
  const Result<FsckReport> report = Fsck(*at.store, {true});
  REQUIRE_THAT(report.status(), IsOk());
  REQUIRE(report->errors.size() == 1);
  CHECK_THAT(report->errors[0], Catch::Contains("'base.w'"));
  REQUIRE_THAT(RecordQuarantine(*at.store, report->damaged, report->read).status(), IsOk());
  const Graph graph = MustLoad(*at.store);
  for (const auto& [id, record] : graph.states) {
    INFO(NameOfState(record));
    CHECK(IsQuarantined(graph, id) == (record.step < 30));
  }
}

TEST_CASE("N nightly parts of a check read every pack once, and lift no quarantine on a part") {
  Thawed at;
  const std::set<ObjectId> packs = [&] {
    std::set<ObjectId> all;
    for (const auto& [id, record] : at.graph.states) {
      for (const PackRef& pack : record.packs) all.insert(pack.pack);
    }
    return all;
  }();
  for (const uint32_t parts : {1u, 2u, 3u, 7u}) {
    uint64_t read = 0, whole = 0;
    for (uint32_t part = 1; part <= parts; ++part) {
      const Result<FsckReport> report = Fsck(*at.store, {true, part, parts});
      REQUIRE_THAT(report.status(), IsOk());
      CHECK(report->packs == packs.size());
      read += report->packs_read;
      whole += report->read.size();
    }
    CHECK(read == packs.size());
    CHECK(whole <= at.graph.states.size());
    if (parts == 1) CHECK(whole == at.graph.states.size());
  }
  const std::string path = at.store->PackPath(FrozenOf(At(at.graph, "base@20")).at(0));
  REQUIRE(at.disk.Flip(path, *at.disk.SizeOf(path) / 2));
  int found = 0;
  for (uint32_t part = 1; part <= 7; ++part) {
    const Result<FsckReport> report = Fsck(*at.store, {true, part, 7});
    found += report->errors.empty() ? 0 : 1;
    REQUIRE_THAT(RecordQuarantine(*at.store, report->damaged, report->read).status(), IsOk());
  }
  CHECK(found == 1);
  const Graph graph = MustLoad(*at.store);
  CHECK(IsQuarantined(graph, At(graph, "base@10").id));
  CHECK(IsQuarantined(graph, At(graph, "base@20").id));
}

}  // namespace
}  // namespace stemma::lineage
