// Segments of notes in which a damaged entry hides others: what is whole counts again, and what is
// lost is named.
#include "lineage/repair/mend_notes.h"

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "lineage/faulty_storage.h"
#include "lineage/fsck.h"
#include "lineage/log.h"
#include "lineage/marks.h"
#include "lineage/names.h"
#include "lineage/repair/repair.h"

#include "tests/support/damaged_store.h"
#include "tests/support/step_storage.h"

#include <catch2/catch.hpp>

namespace stemma::lineage {
namespace {

using tests::DamagedStore;
using tests::IsOk;
using tests::StepStorage;

constexpr uint64_t kHead = 8;  // of a frame

// base@10 was annotated, pruned and taken back; base@20 was annotated last.
struct Noted {
  DamagedStore at{1000};
  std::string file, path;
  std::vector<Frame> frames;

  Noted() {
    REQUIRE_THAT(at.store->Annotate(at.ids[0], "verdict", std::string("good")), IsOk());
    REQUIRE_THAT(at.store->Mark(at.ids[0], kPrunedKey, std::string("old")), IsOk());
    REQUIRE_THAT(at.store->Mark(at.ids[0], kPrunedKey, std::string()), IsOk());
    REQUIRE_THAT(at.store->Annotate(at.ids[1], "verdict", std::string("bad")), IsOk());
    const std::string dir = Paths("/store").NotesDir();
    const std::vector<std::string> files = *at.disk.List(dir);
    REQUIRE(files.size() == 1);
    file = files[0];
    path = dir + "/" + file;
    frames = ReadSegment(*at.disk.ReadAll(path))->frames;
    REQUIRE(frames.size() == 4);
    at.disk.AdvanceMs(2 * 3600 * 1000);
  }

  void Flip(uint64_t offset) { REQUIRE(at.disk.Flip(path, offset)); }
  // The last byte of its digest: what it says can still be made out.
  void FlipDigest(size_t frame) { Flip(frames[frame + 1].offset - 1); }

  RepairReport Repair(Store& store, std::vector<const Store*> from,
                      std::vector<std::string>* beyond = nullptr) {
    RepairOptions options;
    options.from = std::move(from);
    const auto report = Fsck(store, {});
    REQUIRE_THAT(report.status(), IsOk());
    const auto plan = PlanRepair(store, *report, options);
    REQUIRE_THAT(plan.status(), IsOk());
    if (beyond != nullptr) *beyond = plan->beyond;
    const auto done = CarryOut(store, *plan, options);
    REQUIRE_THAT(done.status(), IsOk());
    CHECK(done->failed.empty());
    return *done;
  }

  bool Says(const Graph& graph, size_t state, const std::string& key, const std::string& text) {
    const auto notes = graph.notes.find(at.ids[state]);
    if (notes == graph.notes.end() || !notes->second.count(key)) return false;
    const auto* said = std::get_if<std::string>(&notes->second.at(key));
    return said != nullptr && *said == text;
  }

  // All that was noted, but for `but`.
  void CheckSeen(const std::string& but = "") {
    const auto store = *Store::Open("/store", false, at.disk);
    const Graph graph = MustLoad(*store);
    CHECK(graph.unreadable.empty());
    CHECK(HiddenNotes(*store).empty());
    CHECK(Says(graph, 0, "verdict", "good") == (but != "good"));
    CHECK(Says(graph, 1, "verdict", "bad"));
    CHECK_FALSE(IsPruned(graph, at.ids[0]));
    const auto report = Fsck(*store, {true});
    REQUIRE_THAT(report.status(), IsOk());
    CHECK(report->errors.empty());
  }
};

TEST_CASE("a damaged note comes back from the same segment in another store") {
  for (size_t frame = 0; frame < 3; ++frame) {
    for (const uint64_t offset : {uint64_t{0}, kHead, kHead + 50}) {
      INFO("frame " << frame << ", byte " << offset);
      Noted noted;
      MemoryStorage far;
      noted.at.CopyTo(&far, "/store");
      const auto copy = *Store::Open("/store", false, far);
      noted.Flip(noted.frames[frame].offset + offset);
      CHECK(HiddenNotes(*noted.at.store) == std::vector<std::string>{noted.file});
      CHECK_FALSE(MustLoad(*noted.at.store).unreadable.empty());  // no collector frees anything
      const RepairReport done = noted.Repair(*noted.at.store, {copy.get()});
      REQUIRE_FALSE(done.done.empty());
      CHECK_THAT(done.done[0],
                 Catch::Contains("4 are whole from /store/notes/") && !Catch::Contains("lost"));
      noted.CheckSeen();
    }
  }
}

TEST_CASE("under a damaged header all notes are whole, as long as the ulid is") {
  Noted noted;
  noted.Flip(kSegmentHeaderBytes - 1);
  const RepairReport done = noted.Repair(*noted.at.store, {});
  REQUIRE_FALSE(done.done.empty());
  CHECK_THAT(done.done[0], Catch::Contains("4 are whole") && !Catch::Contains("lost"));
  noted.CheckSeen();
}

TEST_CASE("what is whole stays, what is lost is named, and the file is set aside") {
  Noted noted;
  const std::string before = *noted.at.disk.ReadAll(noted.path);
  noted.FlipDigest(0);
  const RepairReport done = noted.Repair(*noted.at.store, {});
  REQUIRE_FALSE(done.done.empty());
  const std::string about = "'verdict' of " + Hex(noted.at.ids[0]).substr(0, 8);
  CHECK_THAT(done.done[0], Catch::Contains("3 are whole, and lost for good are bytes [44, ") &&
                               Catch::Contains("by what is left of it " + about));
  noted.CheckSeen("good");
  const NotesFile named = *ParseNotesSegment(noted.file);
  const std::string aside = Paths("/store").DamagedNotes(named.writer, named.segment);
  CHECK_FALSE(noted.at.disk.Exists(noted.path));
  CHECK(noted.at.disk.ReadAll(aside)->size() == before.size());
  CHECK(noted.Repair(*noted.at.store, {}).done.empty());
}

// The note that took the prune back is the lost one.
TEST_CASE("a lost note lets no collector free what it may have protected") {
  Noted noted;
  noted.FlipDigest(2);
  const RepairReport done = noted.Repair(*noted.at.store, {});
  REQUIRE_FALSE(done.done.empty());
  CHECK_THAT(done.done[0], Catch::Contains("'stemma.pruned' of") &&
                               Catch::Contains("prunes of states whose bytes are there still"));
  noted.CheckSeen();
}

TEST_CASE("notes without a ulid that fits are set aside whole, and said to be lost") {
  Noted noted;
  noted.Flip(12);
  const RepairReport done = noted.Repair(*noted.at.store, {});
  REQUIRE_FALSE(done.done.empty());
  CHECK_THAT(done.done[0], Catch::Contains("0 are whole, and lost for good are bytes [0, "));
  const Graph graph = MustLoad(*noted.at.store);
  CHECK(graph.unreadable.empty());
  CHECK(graph.notes.empty());
}

TEST_CASE("a segment of notes that was appended to of late is left alone") {
  Noted noted;
  REQUIRE_THAT(noted.at.store->Annotate(noted.at.ids[1], "late", true), IsOk());
  noted.FlipDigest(0);
  std::vector<std::string> beyond;
  CHECK(noted.Repair(*noted.at.store, {}, &beyond).done.empty());
  REQUIRE(beyond.size() == 2);  // and that no collector may free anything
  CHECK_THAT(beyond[1], Catch::Contains("its writer may live"));
  CHECK(noted.at.disk.Exists(noted.path));
}

// Whoever wrote the damaged segment writes another note, at each moment of the mending.
TEST_CASE("no note that was acknowledged is lost to a repair beside its writer") {
  for (int call = 1;; ++call) {
    INFO("call " << call);
    Noted noted;
    noted.FlipDigest(0);
    Status late;
    StepStorage steps(noted.at.disk, call, [&] {
      late = noted.at.store->Annotate(noted.at.ids[1], "late", std::string("yes"));
    });
    const auto other = *Store::Open("/store", false, steps);
    REQUIRE_THAT(MendNotes(*other, {}, noted.file), IsOk());
    if (!steps.ran()) break;
    REQUIRE_THAT(late, IsOk());
    CHECK(noted.Says(MustLoad(*noted.at.store), 1, "late", "yes"));
    REQUIRE_THAT(noted.at.store->Annotate(noted.at.ids[1], "later", std::string("yes")), IsOk());
    CHECK(noted.Says(MustLoad(*noted.at.store), 1, "later", "yes"));
    noted.CheckSeen("good");
  }
}

// At every change of the disk, in every way: what is whole is seen, or keeps collectors away, and
// another repair completes the work.
TEST_CASE("a death of whoever mends notes leaves them no worse") {
  bool fired = true;
  for (uint64_t change = 1; fired; ++change) {
    for (const Fault fault : {Fault::kDieAfter, Fault::kDieHalf, Fault::kIo}) {
      INFO("change " << change << ", fault " << static_cast<int>(fault));
      Noted noted;
      noted.FlipDigest(2);
      FaultyStorage faulty(noted.at.disk);
      faulty.FailAt(change, fault);
      {
        const auto store = *Store::Open("/store", false, faulty);
        (void)MendNotes(*store, {}, noted.file);
      }
      fired = faulty.fired();
      noted.at.disk.Crash(change);
      const auto after = *Store::Open("/store", false, noted.at.disk);
      const Graph graph = MustLoad(*after);
      const bool whole = noted.Says(graph, 0, "verdict", "good") &&
                         noted.Says(graph, 1, "verdict", "bad") &&
                         !IsPruned(graph, noted.at.ids[0]);
      CHECK((whole || !graph.unreadable.empty()));
      noted.at.disk.AdvanceMs(2 * 3600 * 1000);
      noted.Repair(*after, {});
      noted.CheckSeen();
    }
  }
}

}  // namespace
}  // namespace stemma::lineage
