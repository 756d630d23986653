#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/faulty_storage.h"
#include "lineage/fsck.h"
#include "lineage/graph.h"
#include "lineage/log.h"
#include "lineage/memory_storage.h"
#include "lineage/names.h"
#include "lineage/store.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"
#include "tests/support/step_storage.h"
#include "tests/support/store_steps.h"

namespace stemma::lineage {
namespace {

using tests::HasCode;
using tests::IsOk;
using tests::SpawnRanks;

TEST_CASE("a store is made once, reopened, and never made over something else") {
  MemoryStorage disk;
  CHECK_THAT(Store::Open("/store", false, disk).status(), HasCode(Code::kNotFound, "no store at"));
  OpenStore(disk, "/a/b/store/");
  CHECK_THAT(Store::Open("/a/b/store", false, disk).status(), IsOk());
  REQUIRE_THAT(disk.MakeDir("/mine"), IsOk());
  REQUIRE_THAT(WriteDurable(disk, "/mine/thesis.tex", "x"), IsOk());
  CHECK_THAT(Store::Open("/mine", true, disk).status(),
             HasCode(Code::kInvalidArgument, "thesis.tex"));
}

TEST_CASE("a store of a newer version is refused and not guessed at") {
  MemoryStorage disk;
  REQUIRE_THAT(disk.MakeDir("/store"), IsOk());
  REQUIRE_THAT(WriteDurable(disk, "/store/format", "stemma store 2\n"), IsOk());
  CHECK_THAT(Store::Open("/store", true, disk).status(), HasCode(Code::kIncompatible, "newer"));
}

TEST_CASE("a store whose making was cut off anywhere is made whole by the next open") {
  bool fired = true;
  for (uint64_t change = 1; fired; change += change < 20 ? 1 : 97) {
    MemoryStorage disk;
    FaultyStorage faulty(disk);
    faulty.FailAt(change, Fault::kDieBefore);
    const bool made = Store::Open("/store", true, faulty).ok();
    fired = faulty.fired();
    CHECK(made == !fired);
    disk.Crash(change);
    const std::unique_ptr<Store> store = OpenStore(disk);
    CHECK_THAT(store->StartRun("a").status(), IsOk());
  }
}

TEST_CASE("a store that somebody else makes at the same time is opened") {
  for (int at = 1;; at += at < 20 ? 1 : 97) {
    INFO("at call " << at);
    MemoryStorage disk;
    tests::StepStorage steps(disk, at, [&] { OpenStore(disk); });
    OpenStore(steps);
    CHECK_THAT(Store::Open("/store", false, disk).status(), IsOk());
    if (!steps.ran()) break;
  }
}

TEST_CASE("no store is made where files cannot be renamed") {
  MemoryStorage disk;
  uint64_t all = 0;
  {
    FaultyStorage counting(disk);
    OpenStore(counting, "/counted");
    all = counting.changes();
  }
  int refused = 0;
  for (uint64_t change = all > 30 ? all - 30 : 1; change <= all; ++change) {
    FaultyStorage faulty(disk);
    faulty.FailAt(change, Fault::kIo);
    const Status status = Store::Open("/s" + std::to_string(change), true, faulty).status();
    refused += status.message().find("cannot be renamed") != std::string::npos;
  }
  CHECK(refused == 1);
}

TEST_CASE("appended states are in the graph with their edges, in order, the last one the head") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  auto run = *store->StartRun("base");
  const StateId a = MustAppend(*store, *run, 10);
  const StateId b = MustAppend(*store, *run, 20, a);
  REQUIRE_THAT(run->Close(), IsOk());
  const Graph graph = MustLoad(*store);
  CHECK(graph.warnings.empty());
  const RunEntry& entry = graph.runs.at("base");
  CHECK(entry.states == std::vector<StateId>{a, b});
  CHECK(entry.head == b);
  CHECK(graph.children.at(a) == std::vector<StateId>{b});
  CHECK(graph.states.at(b).run_name == "base");
  CHECK(graph.states.at(b).incarnation == 1);
}

TEST_CASE("a run's name is taken once, and a bad name never becomes a path") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  REQUIRE_THAT(store->StartRun("base").status(), IsOk());
  CHECK_THAT(store->StartRun("base").status(), HasCode(Code::kInvalidArgument, "exists"));
  for (const char* name : {"", "../up", "a/b", ".hidden", "a b"}) {
    CHECK_THAT(store->StartRun(name).status(), HasCode(Code::kInvalidArgument));
    CHECK_THAT(store->SetTag(name, Sha256("x"), "", {}), HasCode(Code::kInvalidArgument));
  }
  CHECK_THAT(store->NextIncarnation("bose").status(), HasCode(Code::kNotFound, "no run"));
}

TEST_CASE("a record is refused while anything it names is missing or of another size") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  auto run = *store->StartRun("base");
  Record record = MakeRecord(*store, 10, {});
  record.packs[0].pack = Sha256("not there");
  CHECK_THAT(run->Append(record).status(), HasCode(Code::kNotFound));
  record = MakeRecord(*store, 10, {});
  ++record.packs[0].bytes;
  CHECK_THAT(run->Append(record).status(), HasCode(Code::kCorruption, "bytes"));
  record = MakeRecord(*store, 10, {});
  record.settings = Sha256("no such blob");
  CHECK_THAT(run->Append(record).status(), HasCode(Code::kNotFound, "blob"));
  CHECK(MustLoad(*store).states.empty());
}

TEST_CASE("a log that rotted is told from one without states, by load and by fsck") {
  for (const bool header : {false, true}) {
    MemoryStorage disk;
    const std::unique_ptr<Store> store = OpenStore(disk);
    auto run = *store->StartRun("base");
    MustAppend(*store, *run, 20, MustAppend(*store, *run, 10));
    const std::string log = Paths("/store").LogSegment(run->run(), 1, 1);
    const uint64_t first = ReadSegmentFile(disk, log)->frames.at(1).offset;
    REQUIRE(disk.Flip(log, header ? 10 : first + 50));
    const RunEntry entry = MustLoad(*store).runs.at("base");
    CHECK(entry.states.empty());
    CHECK_THAT(entry.unreadable, Catch::Contains(log) && Catch::Contains("more entries follow"));
    CHECK_THAT(Fsck(*store, {})->errors.at(0), Catch::Contains(log + " at byte"));
    REQUIRE(disk.Flip(log, header ? 10 : first + 50));
    REQUIRE(disk.Truncate(log, *disk.SizeOf(log) - 1));  // a torn tail hides nothing
    CHECK(MustLoad(*store).runs.at("base").unreadable.empty());
    CHECK(MustLoad(*store).states.size() == 1);
  }
}

TEST_CASE("a state of a newer format makes its log unreadable, not empty") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  auto run = *store->StartRun("base");
  REQUIRE_THAT(run->Close(), IsOk());
  const std::string log = Paths("/store").LogSegment(run->run(), 1, 2);
  const std::string ulid = UlidToBytes(NewUlid());
  const std::string frame = EncodeFrame(ulid, FrameType::kState, "no record");
  REQUIRE_THAT(WriteDurable(disk, log, EncodeSegmentHeader(SegmentKind::kLog, ulid) + frame),
               IsOk());
  CHECK_THAT(MustLoad(*store).runs.at("base").unreadable, Catch::Contains(log));
}

TEST_CASE("row 23: an append that fails half-way is repeated in the next segment, same id") {
  for (const Fault fault : {Fault::kShortWrite, Fault::kIo, Fault::kNoSpace}) {
    for (uint64_t change = 1; change <= 2; ++change) {  // the append, its sync
      MemoryStorage disk;
      FaultyStorage faulty(disk);
      const std::unique_ptr<Store> store = OpenStore(faulty);
      auto run = *store->StartRun("base");
      const StateId a = MustAppend(*store, *run, 10);
      const Record record = MakeRecord(*store, 20, a);
      faulty.FailAt(change, fault);
      Result<StateId> b = run->Append(record);
      REQUIRE_THAT(b.status(), IsOk());
      CHECK(faulty.fired());
      const StateId c = MustAppend(*store, *run, 30, *b);
      disk.Crash();
      const Graph graph = MustLoad(*OpenStore(disk));
      CHECK(graph.runs.at("base").states == std::vector<StateId>{a, *b, c});
    }
  }
}

TEST_CASE("a tag that was taken away is gone, keeps its history, and may be set again") {
  MemoryStorage disk;
  auto store = OpenStore(disk);
  const StateId a = Sha256("a"), b = Sha256("b");
  CHECK_THAT(store->RemoveTag("best", "", {}), HasCode(Code::kNotFound, "no tag is called 'best'"));
  REQUIRE_THAT(store->SetTag("best", a, "first", {}), IsOk());
  CHECK_THAT(store->RemoveTag("best", "", b), HasCode(Code::kInvalidArgument, "moved it"));
  CHECK(MustLoad(*store).tags.at("best").target == a);
  REQUIRE_THAT(store->RemoveTag("best", "a mistake", a), IsOk());
  CHECK(MustLoad(*store).tags.empty());
  CHECK_THAT(store->RemoveTag("best", "", {}), HasCode(Code::kNotFound));
  CHECK_THAT(store->SetTag("best", b, "", a), HasCode(Code::kInvalidArgument, "does not exist"));
  CHECK_THAT(store->SetTag("best", {}, "", {}), HasCode(Code::kInvalidArgument));
  const Result<std::vector<TagEntry>> history = store->TagHistory("best");
  REQUIRE(history.ok());
  REQUIRE(history->size() == 2);
  CHECK(history->back().target.empty());
  CHECK(history->back().why == "a mistake");
  disk.Crash();  // it was durable
  CHECK(MustLoad(*store).tags.empty());
  REQUIRE_THAT(store->SetTag("best", b, "again", {}), IsOk());
  CHECK(MustLoad(*store).tags.at("best").version == 3);
}

TEST_CASE("a tag with the longest reason there may be is read again") {
  MemoryStorage disk;
  const auto store = OpenStore(disk);
  const std::string why(65536, 'y');
  REQUIRE_THAT(store->SetTag("best", Sha256("a"), why, {}), IsOk());
  const Graph graph = MustLoad(*store);
  CHECK(graph.unreadable == "");
  REQUIRE(graph.tags.count("best") == 1);
  CHECK(graph.tags.at("best").why.size() == why.size());
}

TEST_CASE("tags move, keep their history, and --expect is an exact compare-and-set") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  const StateId a = Sha256("a"), b = Sha256("b"), c = Sha256("c");
  REQUIRE_THAT(store->SetTag("best", a, "first", {}), IsOk());
  REQUIRE_THAT(store->SetTag("best", b, "better", a), IsOk());
  CHECK_THAT(store->SetTag("best", c, "late", a), HasCode(Code::kInvalidArgument, "moved it"));
  CHECK_THAT(store->SetTag("new", c, "", a), HasCode(Code::kInvalidArgument, "does not exist"));
  Result<std::vector<TagEntry>> history = store->TagHistory("best");
  REQUIRE_THAT(history.status(), IsOk());
  REQUIRE(history->size() == 2);
  CHECK((*history)[0].why == "first");
  CHECK((*history)[1].target == b);
  CHECK(MustLoad(*store).tags.at("best").target == b);
  CHECK_THAT(store->TagHistory("none").status(), HasCode(Code::kNotFound));

  std::atomic<int> won{0};
  SpawnRanks(16, [&](int rank) {
    const Status set = store->SetTag("best", Sha256(std::to_string(rank)), "race", b);
    won += set.ok();
    return Status();
  });
  CHECK(won == 1);
  CHECK(store->TagHistory("best")->size() == 3);
}

TEST_CASE("notes of several writers merge, the later one wins") {
  MemoryStorage disk;
  const StateId a = Sha256("a");
  const std::unique_ptr<Store> one = OpenStore(disk), two = OpenStore(disk);
  REQUIRE_THAT(one->Annotate(a, "verdict", std::string("good")), IsOk());
  REQUIRE_THAT(one->Annotate(a, "rank", int64_t{3}), IsOk());
  MustLoad(*two);  // so its clock is past the first one's
  REQUIRE_THAT(two->Annotate(a, "verdict", std::string("bad")), IsOk());
  disk.Crash();
  const Graph graph = MustLoad(*OpenStore(disk));
  CHECK(std::get<std::string>(graph.notes.at(a).at("verdict")) == "bad");
  CHECK(std::get<int64_t>(graph.notes.at(a).at("rank")) == 3);
  CHECK_THAT(one->Annotate(a, "", true), HasCode(Code::kInvalidArgument));
}

TEST_CASE("blobs are stored once, and one that rotted is not handed out") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  const ObjectId id = *store->PutBlob("settings");
  CHECK(*store->PutBlob("settings") == id);
  CHECK(*store->GetBlob(id) == "settings");
  CHECK_THAT(store->GetBlob(Sha256("other")).status(), HasCode(Code::kNotFound));
  const std::string hex = Hex(id);
  REQUIRE(disk.Flip("/store/objects/blob/" + hex.substr(0, 2) + "/" + hex, 2));
  CHECK_THAT(store->GetBlob(id).status(), HasCode(Code::kCorruption, hex));
}

TEST_CASE("twenty jobs that start at once neither wait for nor disturb each other") {
  MemoryStorage disk;
  REQUIRE_THAT(Store::Open("/store", true, disk).status(), IsOk());
  const auto statuses = SpawnRanks(20, [&](int rank) -> Status {
    STEMMA_ASSIGN_OR_RETURN(auto store, Store::Open("/store", false, disk));
    STEMMA_ASSIGN_OR_RETURN(auto run, store->StartRun("run" + std::to_string(rank)));
    const bool first = store->StartRun("shared").ok();
    STEMMA_RETURN_IF_ERROR(run->Close());
    return {Code::kOk, first ? "first" : ""};
  });
  int first = 0;
  for (const Status& status : statuses) {
    CHECK_THAT(status, IsOk());
    first += status.message() == "first";
  }
  CHECK(first == 1);
  const std::unique_ptr<Store> store = OpenStore(disk);
  CHECK(MustLoad(*store).runs.size() == 21);
  CHECK(Fsck(*store, {true})->errors.empty());
}

TEST_CASE("of many restarts at once each gets a number of its own") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  REQUIRE_THAT(store->StartRun("base").status(), IsOk());
  std::vector<uint32_t> got(20);
  const auto statuses = SpawnRanks(20, [&](int rank) -> Status {
    STEMMA_ASSIGN_OR_RETURN(const auto run, store->NextIncarnation("base"));
    got[static_cast<size_t>(rank)] = run->incarnation();
    return {};
  });
  for (const Status& status : statuses) CHECK_THAT(status, IsOk());
  std::sort(got.begin(), got.end());
  for (uint32_t i = 0; i < got.size(); ++i) CHECK(got[i] == i + 2);
}

TEST_CASE("the store works on the real file system; what a fork costs is printed") {
  const char* scratch = std::getenv("TEST_TMPDIR");
  const std::string base = scratch ? scratch : std::filesystem::temp_directory_path().string();
  std::string dir = base + "/store_test_XXXXXX";
  REQUIRE(mkdtemp(dir.data()) != nullptr);
  FaultyStorage counting(PosixStorage());
  const std::unique_ptr<Store> store = OpenStore(counting, dir + "/store");
  auto run = *store->StartRun("base");
  const StateId a = MustAppend(*store, *run, 10);
  const Graph graph = MustLoad(*store);
  const uint64_t before = counting.changes();
  const auto begun = std::chrono::steady_clock::now();
  REQUIRE_THAT(store->Fork(graph, a, "branch", {}).status(), IsOk());
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begun;
  const Paths paths(store->path());
  const std::string forked = MustLoad(*store).runs.at("branch").ulid;
  const uint64_t bytes = *counting.SizeOf(paths.LogSegment(forked, 1, 1)) +
                         *counting.SizeOf(paths.RunNameFile(forked)) +
                         *counting.SizeOf(paths.NameRunFile("branch"));
  CHECK(bytes <= 4096);
  std::printf("fork: %.2f ms, %llu bytes, %llu changes of the file system\n", 1e3 * spent.count(),
              static_cast<unsigned long long>(bytes),
              static_cast<unsigned long long>(counting.changes() - before));
  REQUIRE_THAT(store->SetTag("best", a, "", {}), IsOk());
  CHECK_THAT(store->StartRun("branch").status(), HasCode(Code::kInvalidArgument));
  CHECK_THAT(store->SetTag("best", a, "", Sha256("x")), HasCode(Code::kInvalidArgument));
  CHECK(MustLoad(*store).runs.size() == 2);
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace stemma::lineage
