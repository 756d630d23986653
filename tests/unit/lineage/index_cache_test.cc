#include "lineage/index_cache.h"

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "lineage/faulty_storage.h"
#include "lineage/log.h"
#include "lineage/marks.h"
#include "lineage/memory_storage.h"
#include "lineage/names.h"
#include "lineage/record_codec.h"
#include "tests/support/index_equal.h"
#include "tests/support/store_steps.h"

#include <catch2/catch.hpp>

namespace stemma::lineage {
namespace {

constexpr char kCache[] = "/cache/here";

Index MustLoadIndex(const Store& store, const std::string& dir = kCache) {
  Result<Index> index = LoadIndex(store, dir);
  REQUIRE_THAT(index.status(), tests::IsOk());
  return *std::move(index);
}

Index Expected(const Store& store) { return IndexOf(MustLoad(store), store); }

// With a cache that is there or not, and without any.
void CheckAsLoaded(const Store& store) {
  const Index expected = Expected(store);
  CheckSameIndex(MustLoadIndex(store, ""), expected);
  CheckSameIndex(MustLoadIndex(store), expected);
  CheckSameIndex(MustLoadIndex(store), expected);
}

// A log of any entries, written as a store would: with faults where the test wants them.
struct RandomStore {
  explicit RandomStore(uint32_t seed) : random(seed), store(OpenStore(disk)) {
    for (const int rate : {1, 2, 3}) {
      settings.push_back(*store->PutBlob("[optim]\nlr = 0." + std::to_string(rate) +
                                         "\nname = \"lamb\"\nnesterov = true\n"));
    }
    settings.push_back(*store->PutBlob("this is = no [toml"));
    settings.push_back(Sha256("a blob that is not there"));
    settings.push_back("");
  }

  int Below(int end) { return static_cast<int>(random() % static_cast<uint32_t>(end)); }

  Record AnyRecord() {
    Record record = MakeRecord(*store, Below(40), std::nullopt);
    record.settings = settings[static_cast<size_t>(Below(static_cast<int>(settings.size())))];
    for (int i = Below(3); i > 0 && !ids.empty(); --i) {
      record.parents.push_back({ids[static_cast<size_t>(Below(static_cast<int>(ids.size())))],
                                static_cast<EdgeKind>(1 + Below(4))});
    }
    if (Below(9) == 0) record.parents.push_back({Sha256("nowhere"), EdgeKind::kTrain});
    if (Below(3) == 0) record.packs.push_back({0, 1, Sha256("pack of step 1"), 14});
    record.capture = random();
    record.samples = random();
    record.epoch = Below(100) / 8.0;
    record.logical_bytes = random();
    record.world = static_cast<uint32_t>(1 + Below(8));
    record.reason = static_cast<Reason>(1 + Below(5));
    record.wall_ms = 1000 + Below(50);  // many are equal, and clocks go back
    if (Below(7) == 0) record.audit = "suspect: rank " + std::to_string(Below(3));
    for (int i = Below(4); i > 0; --i) record.metrics["m" + std::to_string(Below(6))] = Below(9);
    for (int i = Below(5); i > 0; --i) {
      const std::vector<AttributeValue> values = {true, int64_t{-3}, 0.5,
                                                  "text " + std::to_string(Below(4))};
      record.attributes["a" + std::to_string(Below(6))] = values[static_cast<size_t>(Below(4))];
    }
    return record;
  }

  // Adds an incarnation with a log of random entries to a run, made or found.
  void AddLog(const std::string& run_name) {
    auto run = store->StartRun(run_name);
    if (!run.ok()) run = store->NextIncarnation(run_name);
    REQUIRE_THAT(run.status(), tests::IsOk());
    const Paths paths(store->path());
    const uint32_t incarnation = (*run)->incarnation();
    const std::string ulid = UlidToBytes(NewUlid());
    std::string bytes = EncodeSegmentHeader(SegmentKind::kLog, ulid);
    std::vector<StateId> mine;
    for (int i = Below(8); i >= 0; --i) {
      Record record = AnyRecord();
      record.run = (*run)->run();
      record.run_name = run_name;
      record.incarnation = incarnation + (Below(20) == 0 ? 1 : 0);  // now and then out of place
      const std::string frame = EncodeFrame(ulid, FrameType::kState, *EncodeRecord(&record));
      bytes += frame;
      if (Below(8) == 0) bytes += frame;  // an append that was repeated
      ids.push_back(record.id);
      mine.push_back(record.id);
      if (Below(5) == 0) {
        const StateId gone = mine[static_cast<size_t>(Below(static_cast<int>(mine.size())))];
        bytes += EncodeFrame(ulid, FrameType::kWithdrawn, *EncodeWithdrawn({gone, "fenced", 0}));
      }
      if (Below(15) == 0) bytes += EncodeFrame(ulid, FrameType::kState, "no record");
    }
    if (Below(4) == 0) bytes.resize(bytes.size() - static_cast<size_t>(1 + Below(30)));  // torn
    if (Below(6) == 0) bytes[bytes.size() / 2] ^= 4;                                     // damaged
    if (Below(12) == 0) bytes = bytes.substr(0, 20);  // a header cut short
    if (Below(12) == 0) bytes = EncodeSegmentHeader(SegmentKind::kNotes, ulid);
    REQUIRE_THAT(WriteDurable(disk, paths.LogSegment((*run)->run(), incarnation, 2), bytes),
                 tests::IsOk());
  }

  void AddNote() {
    if (ids.empty()) return;
    const StateId& of = ids[static_cast<size_t>(Below(static_cast<int>(ids.size())))];
    const std::string key = (Below(2) == 0 ? "a" : "n") + std::to_string(Below(6));
    REQUIRE_THAT(store->Annotate(of, key, "note " + std::to_string(Below(5))), tests::IsOk());
  }

  void AddMark() {
    if (ids.empty()) return;
    const StateId& of = ids[static_cast<size_t>(Below(static_cast<int>(ids.size())))];
    const std::string why = Below(3) == 0 ? "" : "why";  // "": taken back
    const std::string scope = "s" + std::to_string(Below(2));
    Status marked;
    switch (Below(5)) {
      case 0:
        marked = store->Mark(of, kPrunedKey, why);
        break;
      case 1:
        marked = store->Mark(of, kQuarantinedKey, why);
        break;
      case 2:
        marked = OpenScope(*store, scope, std::nullopt);
        break;
      case 3:
        marked = store->Mark(ScopeTarget(scope), kScopeOpenKey, false);
        break;
      default:
        marked = store->Mark(of, ScopeKey(scope), Below(3) != 0);
    }
    REQUIRE_THAT(marked, tests::IsOk());
  }

  void AddTag() {
    if (ids.empty()) return;
    const StateId& of = ids[static_cast<size_t>(Below(static_cast<int>(ids.size())))];
    REQUIRE_THAT(store->SetTag("t" + std::to_string(Below(3)), of, "", std::nullopt),
                 tests::IsOk());
    if (Below(4) == 0) (void)store->RemoveTag("t" + std::to_string(Below(3)), "", std::nullopt);
  }

  std::mt19937 random;
  MemoryStorage disk;
  std::unique_ptr<Store> store;
  std::vector<ObjectId> settings;
  std::vector<StateId> ids;
};

TEST_CASE("an index is the same from logs, from the cache and from the graph", "[index]") {
  size_t states = 0, warnings = 0;
  for (uint32_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    RandomStore random(seed);
    CheckAsLoaded(*random.store);
    for (int round = 0; round < 4; ++round) {
      CAPTURE(round);
      random.AddLog("run" + std::to_string(random.Below(5)));
      random.AddLog("run" + std::to_string(random.Below(5)));
      random.AddNote();
      random.AddMark();
      random.AddTag();
      CheckAsLoaded(*random.store);
    }
    states += Expected(*random.store).size();
    warnings += Expected(*random.store).warnings.size();
  }
  CHECK(states > 200);   // the stores are not empty,
  CHECK(warnings > 20);  // and not whole
}

// Changes the store in one way; the index must follow.
struct Grown {
  Grown() : store(OpenStore(disk)), run(*store->StartRun("r")) {
    first = MustAppend(*store, *run, 100);
    (void)MustLoadIndex(*store);
  }
  MemoryStorage disk;
  std::unique_ptr<Store> store;
  std::unique_ptr<RunWriter> run;
  StateId first;
};

TEST_CASE("a cache is used while nothing changed, and only then", "[index]") {
  Grown grown;
  const std::string cache = IndexCachePath(*grown.store, kCache);
  const std::string before = *grown.disk.ReadAll(cache);
  (void)MustLoadIndex(*grown.store);
  CHECK(*grown.disk.ReadAll(cache) == before);

  const std::vector<std::pair<std::string, std::function<void()>>> changes = {
      {"a state", [&] { MustAppend(*grown.store, *grown.run, 200, grown.first); }},
      {"a run", [&] { MustAppend(*grown.store, **grown.store->StartRun("other"), 1); }},
      {"an incarnation",
       [&] { MustAppend(*grown.store, **grown.store->NextIncarnation("r"), 300, grown.first); }},
      {"a note", [&] { REQUIRE(grown.store->Annotate(grown.first, "good", true).ok()); }},
  };
  for (const auto& [what, change] : changes) {
    CAPTURE(what);
    const std::string then = *grown.disk.ReadAll(cache);
    change();
    CheckSameIndex(MustLoadIndex(*grown.store), Expected(*grown.store));
    CHECK(*grown.disk.ReadAll(cache) != then);
  }
  const std::string then = *grown.disk.ReadAll(cache);
  REQUIRE(grown.store->SetTag("best", grown.first, "", std::nullopt).ok());
  CheckSameIndex(MustLoadIndex(*grown.store), Expected(*grown.store));
  CHECK(MustLoadIndex(*grown.store).tags.size() == 1);
  CHECK(*grown.disk.ReadAll(cache) == then);  // tags are not in it
}

TEST_CASE("files that did not change are not read again", "[index]") {
  Grown grown;
  auto other = *grown.store->StartRun("other");
  MustAppend(*grown.store, *other, 1);
  (void)MustLoadIndex(*grown.store);
  // The copy is what is used, so damage that came later does not show until the file is read.
  const std::string log = Paths("/store").LogSegment(grown.run->run(), 1, 1);
  REQUIRE(grown.disk.Flip(log, *grown.disk.SizeOf(log) - 30));
  MustAppend(*grown.store, *other, 2);
  const Index index = MustLoadIndex(*grown.store);
  CHECK(index.size() == 3);
  CHECK(index.warnings.empty());
  CHECK(MustLoadIndex(*grown.store, "").size() == 2);
}

TEST_CASE("a torn tail that is completed in place is seen", "[index]") {
  Grown grown;
  MustAppend(*grown.store, *grown.run, 200, grown.first);
  const std::string log = Paths("/store").LogSegment(grown.run->run(), 1, 1);
  const uint64_t last = *grown.disk.SizeOf(log) - 1;
  REQUIRE(grown.disk.Flip(log, last));
  CHECK(MustLoadIndex(*grown.store).size() == 1);
  CHECK(MustLoadIndex(*grown.store).warnings.size() == 1);
  REQUIRE(grown.disk.Flip(log, last));
  CHECK(MustLoadIndex(*grown.store).size() == 2);
  CHECK(MustLoadIndex(*grown.store).warnings.empty());
}

TEST_CASE("a damaged cache is made anew, wherever the damage is", "[index]") {
  RandomStore random(5);
  for (int i = 0; i < 3; ++i) random.AddLog("r" + std::to_string(i));
  const Index expected = Expected(*random.store);
  (void)MustLoadIndex(*random.store);
  const std::string cache = IndexCachePath(*random.store, kCache);
  const std::string good = *random.disk.ReadAll(cache);
  const auto damaged = [&](const std::string& bytes) {
    (void)random.disk.Remove(cache);
    REQUIRE_THAT(WriteDurable(random.disk, cache, bytes), tests::IsOk());
    Result<Index> index = LoadIndex(*random.store, kCache);
    REQUIRE_THAT(index.status(), tests::IsOk());
    REQUIRE((index->id.bytes() == expected.id.bytes()));
    REQUIRE((index->step == expected.step));
    REQUIRE(index->warnings == expected.warnings);
  };
  REQUIRE(good.size() > 4000);
  for (size_t at = 0; at < good.size(); at += at < 64 ? 1 : 61) {
    CAPTURE(at);
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    damaged(bad);
  }
  for (const size_t size : {size_t{0}, size_t{1}, size_t{63}, size_t{64}, size_t{1000},
                            good.size() / 2, good.size() - 1}) {
    damaged(good.substr(0, size));
  }
  damaged(good + "x");
  CheckAsLoaded(*random.store);
}

TEST_CASE("a cache of another store is not believed", "[index]") {
  MemoryStorage disk;
  const auto one = OpenStore(disk, "/one");
  const auto two = OpenStore(disk, "/two");
  MustAppend(*one, **one->StartRun("r"), 1);
  (void)MustLoadIndex(*one);
  CHECK(IndexCachePath(*one, kCache) != IndexCachePath(*two, kCache));
  REQUIRE(disk.Rename(IndexCachePath(*one, kCache), IndexCachePath(*two, kCache)).ok());
  CHECK(MustLoadIndex(*two).size() == 0);
}

TEST_CASE("whoever writes a cache removes those of stores that are gone, when they are old",
          "[index]") {
  MemoryStorage disk;
  const auto make = [&](const std::string& path) {
    const auto store = OpenStore(disk, path);
    MustLoadIndex(*store);
    return IndexCachePath(*store, kCache);
  };
  const std::string gone = make("/gone"), kept = make("/kept");
  REQUIRE_THAT(disk.Remove("/gone/format"), tests::IsOk());
  REQUIRE_THAT(WriteDurable(disk, std::string(kCache) + "/mine.txt", "x"), tests::IsOk());
  make("/third");
  CHECK(disk.Exists(gone));  // another machine may see that store
  disk.AdvanceMs(int64_t{25} * 3600 * 1000);
  make("/fourth");
  CHECK_FALSE(disk.Exists(gone));
  CHECK(disk.Exists(kept));
  CHECK(disk.Exists(std::string(kCache) + "/mine.txt"));
}

void RemoveTree(Storage& disk, const std::string& path) {
  const Result<std::vector<std::string>> names = disk.List(path);
  if (names.ok()) {
    for (const std::string& name : *names) RemoveTree(disk, path + "/" + name);
  }
  REQUIRE_THAT(disk.Remove(path), tests::IsOk());
}

// As people do who begin again: the same path, the same name of the run, another store.
TEST_CASE("a store that was removed and made anew is not taken for the old one", "[index]") {
  MemoryStorage disk;
  for (const int64_t step : {1, 2}) {
    const std::unique_ptr<Store> store = OpenStore(disk);
    const auto writer = *store->StartRun("r");
    MustAppend(*store, *writer, step);
    CheckAsLoaded(*store);
    RemoveTree(disk, "/store");
  }
}

// A backup brought back at the same path: what came after it is gone, and the numbers of the
// incarnations are used again, for logs of the same length.
TEST_CASE("what a store held before it was brought back from a backup is not shown", "[index]") {
  Grown grown;
  const Paths paths("/store");
  const auto log = [&](uint32_t n) { return paths.LogSegment(grown.run->run(), n, 1); };
  const auto go_on = [&](int64_t step) {
    return MustAppend(*grown.store, **grown.store->NextIncarnation("r"), step, grown.first);
  };
  go_on(200);
  go_on(300);
  CHECK(MustLoadIndex(*grown.store).size() == 3);
  const uint64_t second = *grown.disk.SizeOf(log(2)), third = *grown.disk.SizeOf(log(3));
  RemoveTree(grown.disk, paths.IncarnationDir(grown.run->run(), 2));
  RemoveTree(grown.disk, paths.IncarnationDir(grown.run->run(), 3));
  const StateId anew = go_on(201);
  go_on(301);
  REQUIRE(*grown.disk.SizeOf(log(2)) == second);
  REQUIRE(*grown.disk.SizeOf(log(3)) == third);
  CHECK(MustLoadIndex(*grown.store).Find(anew) != kNoRow);
  CheckAsLoaded(*grown.store);
}

TEST_CASE("a cache that cannot be written costs nothing but time", "[index]") {
  MemoryStorage disk;
  FaultyStorage faulty(disk);
  const auto store = OpenStore(faulty);
  MustAppend(*store, **store->StartRun("r"), 1);
  const Index expected = Expected(*store);
  bool fired = true;
  for (uint64_t n = 1; fired; ++n) {
    REQUIRE(n < 200);
    for (const Fault fault : {Fault::kIo, Fault::kNoSpace, Fault::kShortWrite}) {
      (void)disk.Remove(IndexCachePath(*store, kCache));
      faulty.FailAt(n, fault);
      CheckSameIndex(MustLoadIndex(*store), expected);
      fired = faulty.fired();
      CheckSameIndex(MustLoadIndex(*store), expected);
    }
  }
  CHECK(disk.List(kCache)->size() == 1);  // and leaves nothing behind
}

TEST_CASE("several may load at once", "[index]") {
  Grown grown;
  const Index expected = Expected(*grown.store);
  std::vector<Result<Index>> loaded(8, Result<Index>(Index()));
  std::vector<std::thread> threads;
  for (Result<Index>& one : loaded) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        if (i % 5 == 0) (void)grown.disk.Remove(IndexCachePath(*grown.store, kCache));
        one = LoadIndex(*grown.store, kCache);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Result<Index>& one : loaded) {
    REQUIRE_THAT(one.status(), tests::IsOk());
    CheckSameIndex(*one, expected);
  }
}

}  // namespace
}  // namespace stemma::lineage
