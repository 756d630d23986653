// Row 6 of the failure matrix, in every order: the recorded changes of a store's life are cut at
// each of them, and of each cut all kinds of disks are built that a crash may leave. On every one
// what was acknowledged must be there, nothing may be there in part, and the run must go on.
//
// STEMMA_REPLAY=all looks at every single unsynced thing of every cut and at many drawn disks; the
// target replay_soak asks for it.
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include "tests/crash/replay/crash_cases.h"
#include "tests/crash/replay/replay_scene.h"

#include <catch2/catch.hpp>

namespace stemma::tests {
namespace {

bool Thorough() {
  const char* const asked = std::getenv("STEMMA_REPLAY");
  return asked != nullptr && std::string(asked) == "all";
}

// Disks that were looked at with as many promises are not looked at again.
class Replay {
 public:
  explicit Replay(const Life& life) : life_(life) {}

  void Cut(const CrashDisks& disks, size_t at, size_t promised) {
    ++cuts_;
    for (const CrashCase& one : CasesOf(disks, at, Thorough() ? 1000 : 2, Thorough() ? 40 : 1)) {
      const Image image = disks.After(one.kept, one.lost);
      if (!seen_.insert(image.Digest() + std::to_string(promised)).second) continue;
      INFO("after change " << at << ", " << one.what);
      Look(image, promised);
    }
  }
  size_t cuts() const { return cuts_; }
  size_t disks() const { return seen_.size(); }
  size_t went_on() const { return went_on_; }

 private:
  void Look(const Image& image, size_t promised) {
    lineage::MemoryStorage disk;
    const Status put = image.PutOn(disk);
    INFO(put.message());
    REQUIRE(put.ok());
    REQUIRE(Judge(disk, life_.promises, promised) == "");
    if (!Thorough() && seen_.size() % 8 != 0) return;
    ++went_on_;
    REQUIRE(GoOn(disk, life_.promises, promised) == "");
  }

  const Life& life_;
  std::set<std::string> seen_;
  size_t cuts_ = 0, went_on_ = 0;
};

// Cuts a recording behind each change from `first` on, every `stride`-th of them.
void ReplayAll(const Life& life, size_t first, size_t stride, const char* what) {
  INFO(life.failure);
  REQUIRE(life.failure.empty());
  Replay replay(life);
  CrashDisks disks;
  size_t promised = 0;
  for (size_t at = 0; at < life.recording.size(); ++at) {
    const Change& change = life.recording[at];
    INFO(TextOf(change));
    disks.Apply(change);
    promised += change.kind == Change::Kind::kMark ? 1 : 0;
    if (at >= first && at % stride == 0) replay.Cut(disks, at, promised);
  }
  CHECK(promised == life.promises.size());
  std::printf("%s: %zu changes, %zu cuts, %zu different disks, all sound; %zu of them went on\n",
              what, life.recording.size(), replay.cuts(), replay.disks(), replay.went_on());
  CHECK(replay.disks() > 2 * replay.cuts());
}

size_t EndOfCreation(const Recording& recording) {
  size_t at = 0;
  while (recording[at].kind != Change::Kind::kMark) ++at;
  return at;
}

TEST_CASE("row 6: any disk that a crash may leave keeps what was acknowledged", "[crash]") {
  const Life life = RecordLife();
  REQUIRE(life.failure == "");
  ReplayAll(life, EndOfCreation(life.recording), 1, "life");
}

// Nearly a thousand folders are made alike, so not each is a cut of its own; the end is.
TEST_CASE("row 6: a store whose creation was cut short is no store, or can be made again",
          "[crash]") {
  const Life life = RecordCreation();
  REQUIRE(life.failure == "");
  ReplayAll(life, 0, Thorough() ? 7 : 97, "creation");
  ReplayAll(life, EndOfCreation(life.recording) - 20, 1, "end of creation");
}

}  // namespace
}  // namespace stemma::tests
