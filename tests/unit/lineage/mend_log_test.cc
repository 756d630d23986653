// Logs in which a damaged entry hides others: written anew as they were, or left as they are.
#include "lineage/repair/mend_log.h"

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "lineage/faulty_storage.h"
#include "lineage/fsck.h"
#include "lineage/log.h"
#include "lineage/names.h"
#include "lineage/repair/repair.h"
#include "lineage/reshape/migrate.h"

#include "tests/support/damaged_store.h"

#include <catch2/catch.hpp>

namespace stemma::lineage {
namespace {

using tests::DamagedStore;
using tests::HasCode;
using tests::IsOk;

constexpr uint64_t kHead = 8;  // of a frame

// A store, and copies of it: one of its files, and one that `migrate` filled.
struct Logs {
  DamagedStore at{1000};
  MemoryStorage far, filled_disk;
  std::unique_ptr<Store> copy, filled;
  std::string path, bytes;  // base's log: open, base@10, base@20, close
  std::vector<Frame> frames;

  Logs() {
    at.CopyTo(&far, "/store");
    copy = *Store::Open("/store", false, far);
    path = Paths("/store").LogSegment(at.graph.runs.at("base").ulid, 1, 1);
    bytes = *at.disk.ReadAll(path);
    frames = ReadSegment(bytes)->frames;
    REQUIRE(frames.size() == 4);
  }

  // Before the damage.
  void Fill() {
    filled = OpenStore(filled_disk);
    const std::set<StateId> all(at.ids.begin(), at.ids.end());
    REQUIRE_THAT(Migrate(*at.store, at.graph, all, *filled, {}).status(), IsOk());
  }
  std::string Now() { return *at.disk.ReadAll(path); }
  // In the payload of the `frame`-th frame, or `offset` before it.
  void Flip(size_t frame, uint64_t offset) {
    REQUIRE(at.disk.Flip(path, frames[frame].offset + offset));
  }
  RepairReport Repair(std::vector<const Store*> from, std::vector<std::string>* beyond = nullptr) {
    RepairOptions options;
    options.from = std::move(from);
    const auto report = Fsck(*at.store, {});
    REQUIRE_THAT(report.status(), IsOk());
    const auto plan = PlanRepair(*at.store, *report, options);
    REQUIRE_THAT(plan.status(), IsOk());
    if (beyond != nullptr) *beyond = plan->beyond;
    const auto done = CarryOut(*at.store, *plan, options);
    REQUIRE_THAT(done.status(), IsOk());
    CHECK(done->failed.empty());
    return *done;
  }
  void CheckWhole() {
    CHECK(Now() == bytes);
    const auto report = Fsck(*at.store, {true});
    REQUIRE_THAT(report.status(), IsOk());
    CHECK(report->errors.empty());
    const Graph graph = MustLoad(*at.store);
    CHECK(graph.runs.at("base").unreadable.empty());
    for (const StateId& id : at.ids) CHECK(graph.states.count(id) == 1);
    CHECK_THAT(ResumePoint(*at.store, graph, "base", nullptr).status(), IsOk());
  }
};

TEST_CASE("a damaged entry comes back from the same log in another store, byte for byte") {
  const struct {
    size_t frame;
    uint64_t offset;  // in the frame
  } cases[] = {{0, 0},     {0, kHead + 3},  {1, 1},         {1, 4},
               {1, kHead}, {1, kHead + 90}, {2, kHead + 40}};
  for (const auto& one : cases) {
    INFO("frame " << one.frame << ", byte " << one.offset);
    Logs logs;
    logs.Flip(one.frame, one.offset);
    CHECK(DamagedLogs(*logs.at.store).size() == 1);
    CHECK(MustLoad(*logs.at.store).states.count(logs.at.ids[1]) == 0);  // hidden
    CHECK(logs.Repair({logs.copy.get()}).done.size() == 1);
    logs.CheckWhole();
  }
}

TEST_CASE("a header and several entries at once come back as well") {
  Logs logs;
  REQUIRE(logs.at.disk.Flip(logs.path, 12));  // the ulid, under which all digests are taken
  logs.Flip(0, kHead);
  logs.Flip(1, kHead + 2);
  CHECK(logs.Repair({logs.copy.get()}).done.size() == 1);
  logs.CheckWhole();
}

TEST_CASE("a record comes back from a store that migrate filled, by its id or its digest") {
  for (const uint64_t offset : {kHead + 3, kHead + 60, uint64_t{0}}) {
    INFO("byte " << offset);
    Logs logs;
    logs.Fill();
    logs.Flip(1, offset);
    CHECK(logs.Repair({logs.filled.get()}).done.size() == 1);
    logs.CheckWhole();
  }
}

TEST_CASE("what no copy proves stays as it is, and is named") {
  const auto left = [](Logs* logs, std::vector<const Store*> from, const std::string& text) {
    const std::string before = logs->Now();
    std::vector<std::string> beyond;
    CHECK(logs->Repair(std::move(from), &beyond).done.empty());
    CHECK(logs->Now() == before);
    REQUIRE(beyond.size() == 2);  // and that no collector may free anything
    CHECK_THAT(beyond[1], Catch::Contains(text));
    CHECK(MustLoad(*logs->at.store).runs.at("base").newest_incarnation == 1);
  };
  {
    Logs logs;
    logs.Flip(1, kHead);
    left(&logs, {}, "--from OTHER_STORE");
  }
  {  // a copy with the same damage
    Logs logs;
    logs.Flip(1, kHead);
    REQUIRE(logs.far.Flip(logs.path, logs.frames[1].offset + kHead));
    left(&logs, {logs.copy.get()}, "no copy of this log has the entry");
  }
  {  // neither id nor digest is left to prove which record was here
    Logs logs;
    logs.Fill();
    logs.Flip(1, kHead);
    logs.Flip(1, kHead + logs.frames[1].payload.size());
    left(&logs, {logs.filled.get()}, "no copy of this log has the entry");
  }
  {  // a store that migrate filled has the records alone
    Logs logs;
    logs.Fill();
    logs.Flip(0, kHead);
    left(&logs, {logs.filled.get()}, "no copy of this log has the entry");
  }
  {  // another segment lies under this name there
    Logs logs;
    logs.Flip(1, kHead);
    REQUIRE_THAT(logs.far.Remove(logs.path), IsOk());
    const std::string ulid = UlidToBytes(NewUlid());
    std::string other = EncodeSegmentHeader(SegmentKind::kLog, ulid);
    for (const Frame& frame : logs.frames) other += EncodeFrame(ulid, frame.type, "x");
    REQUIRE_THAT(WriteDurable(logs.far, logs.path, other), IsOk());
    left(&logs, {logs.copy.get()}, "no copy of this log has the entry");
  }
}

// base's writer has not died: it appended base@30 and waits.
TEST_CASE("a writer that may live is left alone, and fenced when it slept for long") {
  Logs logs;
  DamagedStore& at = logs.at;
  auto writer = *at.store->NextIncarnation("base");
  std::vector<StateId> promised;
  for (const int64_t step : {30, 40}) {
    Record record = at.graph.states.at(at.ids[1]);
    record.step = step;
    record.parents = {{at.ids[1], EdgeKind::kTrain}};
    promised.push_back(*writer->Append(record));
  }
  const std::string path = Paths("/store").LogSegment(writer->run(), 2, 1);
  MemoryStorage far;
  at.CopyTo(&far, "/store");
  const auto copy = *Store::Open("/store", false, far);
  promised.push_back(*writer->Append(at.graph.states.at(at.ids[1])));  // the copy lacks it
  const uint64_t first = ReadSegment(*at.disk.ReadAll(path))->frames[1].offset;
  REQUIRE(at.disk.Flip(path, first + kHead));

  std::vector<std::string> beyond;
  CHECK(logs.Repair({copy.get()}, &beyond).done.empty());
  REQUIRE(beyond.size() == 2);
  CHECK_THAT(beyond[1], Catch::Contains("its writer may live"));
  CHECK(MustLoad(*at.store).runs.at("base").newest_incarnation == 2);

  at.disk.AdvanceMs(2 * 3600 * 1000);
  CHECK(logs.Repair({copy.get()}).done.size() >= 1);
  Record late = at.graph.states.at(at.ids[1]);
  late.step = 50;
  CHECK_THAT(writer->Append(late).status(), HasCode(Code::kIncompatible));
  const Graph graph = MustLoad(*at.store);
  for (const StateId& id : promised) CHECK(graph.states.count(id) == 1);
  CHECK(graph.runs.at("base").unreadable.empty());
}

// At every change of the disk, in every way: nothing that could be seen is lost, and another repair
// completes the work.
TEST_CASE("a death of whoever mends a log leaves it no worse") {
  bool fired = true;
  for (uint64_t change = 1; fired; ++change) {
    for (const Fault fault : {Fault::kDieAfter, Fault::kDieHalf, Fault::kIo}) {
      INFO("change " << change << ", fault " << static_cast<int>(fault));
      Logs logs;
      logs.Flip(2, kHead);
      FaultyStorage faulty(logs.at.disk);
      faulty.FailAt(change, fault);
      {
        const auto store = *Store::Open("/store", false, faulty);
        for (const LogPlace& log : DamagedLogs(*store)) {
          (void)MendLog(*store, {logs.copy.get()}, log);
        }
      }
      fired = faulty.fired();
      logs.at.disk.Crash(change);
      CHECK(MustLoad(*logs.at.store).states.count(logs.at.ids[0]) == 1);
      const bool whole = logs.Now() == logs.bytes;
      CHECK(DamagedLogs(*logs.at.store).size() == (whole ? 0 : 1));
      logs.at.disk.AdvanceMs(2 * 3600 * 1000);
      logs.Repair({logs.copy.get()});
      logs.CheckWhole();
    }
  }
}

}  // namespace
}  // namespace stemma::lineage
