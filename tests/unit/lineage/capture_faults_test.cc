#include <atomic>
#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "lineage/memory_storage.h"
#include "lineage/names.h"

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

// A disk that is slow to begin files in tmp/, or loses the names whose first fsync fails.
class OddDisk final : public Storage {
 public:
  std::chrono::milliseconds slow{0};
  std::string losing;          // part of a folder's path: its next fsync fails
  std::set<std::string> lost;  // names that no crash would leave, whatever later fsyncs say

  Result<std::unique_ptr<WritableFile>> Create(const std::string& path,
                                               const WriteOptions& options) override {
    if (path.find("/store/tmp") != std::string::npos) std::this_thread::sleep_for(slow);
    return disk_.Create(path, options);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    lost.erase(to);
    return disk_.Rename(from, to);
  }
  Status Remove(const std::string& path) override {
    lost.erase(path);
    return disk_.Remove(path);
  }
  Status SyncDir(const std::string& dir) override {
    if (losing.empty() || dir.find(losing) == std::string::npos) return disk_.SyncDir(dir);
    losing.clear();
    const std::vector<std::string> names = *disk_.List(dir);
    for (const std::string& name : names) lost.insert(dir + "/" + name);
    return {Code::kIo, "fsync " + dir + ": Input/output error"};
  }
  Result<std::string> ReadAll(const std::string& path) override { return disk_.ReadAll(path); }
  Result<std::string> ReadAt(const std::string& path, uint64_t offset, uint64_t bytes) override {
    return disk_.ReadAt(path, offset, bytes);
  }
  Result<uint64_t> SizeOf(const std::string& path) override { return disk_.SizeOf(path); }
  Result<int64_t> ModifiedMs(const std::string& path) override { return disk_.ModifiedMs(path); }
  Result<std::vector<std::string>> List(const std::string& dir) override { return disk_.List(dir); }
  Status MakeDir(const std::string& path) override { return disk_.MakeDir(path); }
  bool Exists(const std::string& path) override { return disk_.Exists(path); }

 private:
  MemoryStorage disk_;
};

std::unique_ptr<Store> OpenStore(Storage& storage) {
  Result<std::unique_ptr<Store>> store = Store::Open("/store", true, storage);
  REQUIRE_THAT(store.status(), IsOk());
  return *std::move(store);
}

TEST_CASE("ranks with other settings cut the state elsewhere: no such packs become a state") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  CohortRoom room(2);
  const auto statuses = SpawnRanks(2, [&](int rank) -> Status {
    ThreadCohort cohort(room, rank);
    ToySpans state(ToySpans::SmallModel(false), rank);
    ToyRank toy{*store, cohort, state, nullptr, nullptr};
    LineageSettings settings;
    settings.writer_bytes_min = rank == 0 ? 1024 : 1 << 30;
    STEMMA_RETURN_IF_ERROR(toy.Begin("base", false, settings));
    return toy.CaptureStep(10, std::nullopt).status();
  });
  for (const Status& status : statuses) {
    CHECK_THAT(status, HasCode(Code::kInternal, "different [lineage] settings"));
  }
  CHECK(store->Load()->states.empty());
}

TEST_CASE("a name whose folder's fsync failed is made anew, not only synced again") {
  OddDisk disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  SoloCohort solo;
  ToySpans state(ToySpans::SmallModel(false), 0);
  ToyRank toy{*store, solo, state, nullptr, nullptr};
  REQUIRE_THAT(toy.Begin("base", false, {}), IsOk());
  disk.losing = "/objects/pack/";
  const auto durable = toy.CaptureStep(10, std::nullopt);
  REQUIRE_THAT(durable.status(), IsOk());
  REQUIRE(durable->has_value());
  CHECK(disk.losing.empty());
  CHECK(disk.lost == std::set<std::string>{});
  disk.losing = "/objects/blob/";
  CHECK_THAT(store->PutBlob("settings").status(), IsOk());
  CHECK(disk.losing.empty());
  CHECK(disk.lost == std::set<std::string>{});
}

class CountingCohort final : public Cohort {
 public:
  explicit CountingCohort(Cohort& base) : base_(base) {}
  int gathers = 0;

  int rank() const override { return base_.rank(); }
  int size() const override { return base_.size(); }
  Result<int> Min(int mine) override { return base_.Min(mine); }
  Result<std::string> Broadcast(std::string mine, int root) override {
    return base_.Broadcast(std::move(mine), root);
  }
  Result<std::vector<std::string>> AllGather(std::string mine) override {
    ++gathers;
    return base_.AllGather(std::move(mine));
  }

 private:
  Cohort& base_;
};

TEST_CASE("while one rank's disk is slow, no rank waits for it in one long exchange") {
  OddDisk disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  CohortRoom room(2);
  std::vector<int> gathers(2);
  const auto statuses = SpawnRanks(2, [&](int rank) -> Status {
    ThreadCohort cohort(room, rank);
    CountingCohort counting(cohort);
    ToySpans state(ToySpans::SmallModel(false), rank);
    ToyRank toy{*store, counting, state, nullptr, nullptr};
    STEMMA_RETURN_IF_ERROR(toy.Begin("base", false, {}));
    if (rank == 0) disk.slow = std::chrono::milliseconds(2500);
    STEMMA_RETURN_IF_ERROR(Agree(cohort, {}));
    counting.gathers = 0;
    STEMMA_ASSIGN_OR_RETURN(const auto durable, toy.CaptureStep(10, std::nullopt));
    gathers[static_cast<size_t>(rank)] = counting.gathers;
    return durable ? Status() : Status(Code::kInternal, "not durable");
  });
  for (const Status& status : statuses) CHECK_THAT(status, IsOk());
  CHECK(gathers[0] >= 2);
  CHECK(gathers[0] == gathers[1]);
}

// Cannot be read where it is eager, and slowly elsewhere.
class SlowSource final : public Source {
 public:
  explicit SlowSource(const std::vector<Span>& spans) : spans_(spans) {}
  std::atomic<int> reads{0};

  Status Read(size_t span, uint64_t, uint64_t, char*) override {
    if (spans_[span].eager) return {Code::kIo, "no"};
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ++reads;
    return {};
  }

 private:
  const std::vector<Span>& spans_;
};

TEST_CASE("a capture that failed at once is not done with while its copier still reads") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  auto writer = *store->StartRun("base");
  const std::vector<Span> spans = ToySpans::SmallModel(false);
  SlowSource source(spans);
  SoloCohort solo;
  auto capturer =
      *Capturer::Create({}, *store, writer.get(), writer->tmp_dir(), spans, source, 0, 1);
  REQUIRE_THAT(capturer->Capture({}), IsOk());
  CHECK_THAT(capturer->Advance(false, true, true, solo).status(), HasCode(Code::kIo));
  const int reads = source.reads;
  capturer.reset();
  CHECK(reads > 0);
  CHECK(source.reads == reads);
}

}  // namespace
}  // namespace stemma::lineage
