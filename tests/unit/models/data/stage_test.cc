#include "models/data/stage.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "core/digest.h"
#include "lineage/faulty_storage.h"
#include "lineage/memory_storage.h"
#include "lineage/names.h"
#include "models/data/images/shard_source.h"
#include "models/data/images/tar.h"

#include <catch2/catch.hpp>

#include "tests/support/must_put.h"
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using lineage::MemoryStorage;
using tests::HasCode;
using tests::IsOk;
using tests::MustPut;

FreeSpace Plenty() { return {uint64_t{1} << 50, std::numeric_limits<uint64_t>::max()}; }

// Two disks, and files on the first that are to be on the second.
struct Scene {
  explicit Scene(size_t count = 4) {
    REQUIRE_THAT(source.MakeDir("/in"), IsOk());
    for (size_t i = 0; i < count; ++i) {
      const std::string path = "/in/" + std::to_string(i) + ".tar";
      const std::string text(100 * i, static_cast<char>('a' + i));  // the first is empty
      MustPut(source, path, text);
      files.push_back({path, text.size(), Xxh128(text)});
      bytes.push_back(text);
    }
    settings.dir = "/fast";
    settings.look_s = 0;
    settings.free_space = [](const std::string&) { return Plenty(); };
  }

  StageReport Copy(lineage::Storage& to, int asks = 1 << 20) {
    return CopyFiles(source, to, settings, files,
                     [asks](uint64_t, uint64_t) mutable { return asks-- > 0; });
  }
  // Copies are whole, whatever else lies there; says how many there are.
  int64_t Whole() {
    int64_t count = 0;
    for (size_t i = 0; i < files.size(); ++i) {
      const std::string copy = CopyPath("/fast", files[i]);
      if (!local.Exists(copy)) continue;
      CHECK(*local.ReadAll(copy) == bytes[i]);
      ++count;
    }
    return count;
  }
  int64_t Parts() {
    const auto names = local.List("/fast");
    REQUIRE_THAT(names.status(), IsOk());
    return std::count_if(names->begin(), names->end(), [](const std::string& name) {
      return name.find(".part") != std::string::npos;
    });
  }

  MemoryStorage source, local;
  std::vector<StageFile> files;
  std::vector<std::string> bytes;
  StageSettings settings;
};

TEST_CASE("stage: copies are whole, and a second job finds them") {
  Scene scene;
  const StageReport report = scene.Copy(scene.local);
  CHECK_THAT(report.why, IsOk());
  CHECK(report.copied == 4);
  CHECK(report.left == 0);
  CHECK(report.bytes == 600);
  CHECK(scene.Whole() == 4);
  CHECK(scene.Parts() == 0);
  const StageReport again = scene.Copy(scene.local);
  CHECK(again.there == 4);
  CHECK(again.copied == 0);
  REQUIRE(scene.local.Truncate(CopyPath("/fast", scene.files[2]), 7));
  CHECK(scene.Copy(scene.local).copied == 1);
  CHECK(scene.Whole() == 4);
}

TEST_CASE("stage: a handle goes over to the copy, and back when the copy fails") {
  Scene scene;
  const StagedFiles staged(scene.source, scene.local, "/fast", scene.files);
  const auto file = *staged.Open("/in/3.tar");
  std::string read(10, '\0');
  REQUIRE_THAT(file->Read(5, 10, read.data()), IsOk());
  CHECK(staged.reads().source == 1);
  scene.Copy(scene.local);
  REQUIRE_THAT(scene.source.Remove("/in/3.tar"), IsOk());
  REQUIRE_THAT(file->Read(290, 10, read.data()), IsOk());
  CHECK(read == std::string(10, 'd'));
  CHECK(staged.reads().copies == 1);
  MustPut(scene.source, "/in/3.tar", scene.bytes[3]);
  REQUIRE(scene.local.Truncate(CopyPath("/fast", scene.files[3]), 200));
  for (int i = 0; i < 2; ++i) REQUIRE_THAT(file->Read(250, 10, read.data()), IsOk());
  CHECK(staged.reads().source == 3);
  scene.Copy(scene.local);  // made anew, but not trusted any more
  REQUIRE_THAT((*staged.Open("/in/3.tar"))->Read(0, 10, read.data()), IsOk());
  CHECK(staged.reads().source == 4);
  CHECK_THAT(staged.Open("/in/none.tar").status(), HasCode(Code::kNotFound));
}

TEST_CASE("stage: what does not fit stays on the source, and says why") {
  Scene scene;
  FreeSpace free = {scene.settings.keep_free + 350, 5000};
  scene.settings.free_space = [&](const std::string&) -> Result<FreeSpace> {
    FreeSpace left = free;  // less what is there
    for (const StageFile& file : scene.files) {
      if (scene.local.Exists(CopyPath("/fast", file))) left.bytes -= file.bytes;
    }
    return left;
  };
  StageReport report = scene.Copy(scene.local);  // 0 + 100 + 200 fit, 300 more do not
  CHECK(report.copied == 3);
  CHECK(report.left == 1);
  CHECK_THAT(report.why, HasCode(Code::kIo, "/fast: No space left on device"));
  free = {uint64_t{1} << 50, scene.settings.keep_inodes};
  CHECK_THAT(scene.Copy(scene.local).why, HasCode(Code::kIo, "1000 inodes free"));
  scene.settings.free_space = [](const std::string&) { return Plenty(); };
  scene.local.LimitBytes(400);  // and others were faster
  report = scene.Copy(scene.local);
  CHECK_THAT(report.why, HasCode(Code::kIo, "No space left"));
  CHECK(report.there == 3);
  CHECK(report.left == 1);
  CHECK(scene.Whole() == 3);
  CHECK(scene.Parts() == 0);
  scene.settings.dir = "/no/parent";
  CHECK_THAT(scene.Copy(scene.local).why, HasCode(Code::kNotFound, "/no"));
  CHECK(scene.Copy(scene.local).left == 4);
}

TEST_CASE("stage: the file system says what is free") {
  const auto free = FreeSpaceOf(".");
  REQUIRE_THAT(free.status(), IsOk());
  CHECK(free->inodes > 0);
  CHECK_THAT(FreeSpaceOf("no such folder").status(), HasCode(Code::kIo, "no such folder"));
}

TEST_CASE("stage: bytes that were not indexed are not copied, the others are") {
  Scene scene;
  REQUIRE(scene.source.Flip("/in/2.tar", 50));
  const StageReport report = scene.Copy(scene.local);
  CHECK(report.copied == 3);
  CHECK(report.left == 1);
  CHECK_THAT(report.why, HasCode(Code::kCorruption, "/in/2.tar: its bytes are not those"));
  CHECK(scene.Whole() == 3);
  CHECK(scene.Parts() == 0);
  REQUIRE_THAT(scene.source.Remove("/in/2.tar"), IsOk());
  CHECK_THAT(scene.Copy(scene.local).why, HasCode(Code::kNotFound, "/in/2.tar"));
}

TEST_CASE(
    "stage: whatever change fails or is the last, a name is whole, and the next job goes on") {
  for (const lineage::Fault fault :
       {lineage::Fault::kIo, lineage::Fault::kNoSpace, lineage::Fault::kShortWrite,
        lineage::Fault::kDieBefore, lineage::Fault::kDieHalf, lineage::Fault::kDieAfter}) {
    for (uint64_t n = 1;; ++n) {
      CAPTURE(static_cast<int>(fault), n);
      Scene scene(3);
      lineage::FaultyStorage faulty(scene.local);
      faulty.FailAt(n, fault);
      const StageReport report = scene.Copy(faulty);
      if (!faulty.fired()) break;
      if (scene.local.Exists("/fast")) CHECK(scene.Whole() >= report.copied);
      scene.local.AdvanceMs(60'000);
      const StageReport next = scene.Copy(scene.local);
      CHECK_THAT(next.why, IsOk());
      CHECK(next.there + next.copied == 3);
      CHECK(scene.Whole() == 3);
      CHECK(scene.Parts() == 0);
    }
  }
}

TEST_CASE("stage: what another job writes is left to it, what a dead one left is removed") {
  Scene scene;
  REQUIRE_THAT(scene.local.MakeDir("/fast"), IsOk());
  const std::string part = CopyPath("/fast", scene.files[1]) + "." + lineage::NewUlid() + ".part";
  const std::string clock = "/fast/clock." + lineage::NewUlid() + ".part";
  const std::vector<std::string> foreign = {
      "/fast/x.part", "/fast/a.stage.b.part",
      "/fast/" + std::string(32, 'g') + ".stage." + lineage::NewUlid() + ".part"};
  for (const std::string& path : foreign) MustPut(scene.local, path, "x");
  MustPut(scene.local, part, "half");
  MustPut(scene.local, clock, "");
  scene.local.AdvanceMs(59'000);
  const StageReport busy = scene.Copy(scene.local, 100);
  CHECK(busy.stopped);
  CHECK(busy.copied == 3);
  CHECK(scene.local.Exists(part));
  scene.local.AdvanceMs(1'000);
  CHECK(scene.Copy(scene.local).copied == 1);
  CHECK_FALSE(scene.local.Exists(part));
  CHECK_FALSE(scene.local.Exists(clock));
  for (const std::string& path : foreign) CHECK(scene.local.Exists(path));
}

TEST_CASE("stage: who was taken for dead and is not, begins again") {
  Scene scene;
  bool removed = false;
  const StageReport report =
      CopyFiles(scene.source, scene.local, scene.settings, scene.files, [&](uint64_t, uint64_t) {
        const auto names = scene.local.List("/fast");
        for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) {
          if (removed || name.find(".part") == std::string::npos) continue;
          removed = scene.local.Remove("/fast/" + name).ok();
        }
        return true;
      });
  CHECK(removed);
  CHECK_THAT(report.why, IsOk());
  CHECK(report.copied == 4);
  CHECK(scene.Whole() == 4);
}

TEST_CASE("stage: several jobs that stage the same files at once are in nobody's way") {
  Scene scene(20);
  scene.settings.look_s = .001;
  std::vector<StageReport> reports(3);
  std::vector<std::thread> jobs;
  for (StageReport& report : reports) {
    jobs.emplace_back([&] { report = scene.Copy(scene.local); });
  }
  for (std::thread& job : jobs) job.join();
  int64_t copied = 0;
  for (const StageReport& report : reports) {
    CHECK_THAT(report.why, IsOk());
    CHECK(report.there + report.copied == 20);
    copied += report.copied;
  }
  CHECK(copied >= 20);
  CHECK(scene.Whole() == 20);
  CHECK(scene.Parts() == 0);
}

TEST_CASE("stage: a stop in the middle leaves no part") {
  Scene scene;
  const StageReport report = scene.Copy(scene.local, 4);
  CHECK(report.stopped);
  CHECK_THAT(report.why, IsOk());
  CHECK(report.copied < 4);
  CHECK(scene.Parts() == 0);
}

// Ranks of two hosts, rank by rank.
class Hosts final : public Cohort {
 public:
  explicit Hosts(int rank) : rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return 4; }
  std::string host() const override { return kHosts[static_cast<size_t>(rank_)]; }
  Result<int> Min(int mine) override { return mine; }
  Result<std::string> Broadcast(std::string mine, int) override { return mine; }
  Result<std::vector<std::string>> AllGather(std::string) override { return kHosts; }

 private:
  const std::vector<std::string> kHosts = {"a", "b", "a", "b"};
  const int rank_;
};

TEST_CASE("stage: one rank of a host copies") {
  const bool wanted[] = {true, true, false, false};
  for (int rank = 0; rank < 4; ++rank) {
    Hosts cohort(rank);
    CHECK(*FirstOfHost(cohort) == wanted[rank]);
  }
}

TEST_CASE("stage: shards give the same samples while they are copied and afterwards") {
  Scene scene(0);
  for (int shard = 0; shard < 3; ++shard) {
    std::string tar;
    for (int i = 0; i < 5; ++i) {
      const std::string key = std::to_string(i), text = std::to_string(100 * shard + i);
      tar += TarHeader(key + ".jpg", text.size()) + text + TarPadding(text.size());
      tar += TarHeader(key + ".cls", 1) + "4" + TarPadding(1);
    }
    MustPut(scene.source, "/in/s-" + std::to_string(shard) + ".tar", tar + TarEnd());
  }
  SoloCohort alone;
  ShardStaging staging;
  staging.stage = scene.settings;
  staging.window = 2;
  const auto plain = *ShardSource::Open(scene.source, "/in", alone);
  const auto staged = *ShardSource::OpenStaged(scene.source, scene.local, "/in", staging, alone);
  CHECK(staged->Digest() == plain->Digest());
  CHECK(staged->Groups() == std::vector<int64_t>{5, 5, 5});
  CHECK(plain->staged() == nullptr);
  EncodedImage image, expected;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  for (int64_t before = -1; staged->staged()->reads().copies - before < 15;) {
    before = staged->staged()->reads().copies;
    REQUIRE(std::chrono::steady_clock::now() < end);
    for (int64_t id = 0; id < 15; ++id) {
      REQUIRE_THAT(staged->Read(id, &image), IsOk());
      REQUIRE_THAT(plain->Read(id, &expected), IsOk());
      CHECK(image.bytes == expected.bytes);
    }
  }
}

}  // namespace
}  // namespace stemma::models
