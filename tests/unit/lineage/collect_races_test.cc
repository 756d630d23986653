// One process stops in every gap of another, or dies there, and nothing is lost.
#include <memory>

#include "lineage/collect.h"
#include "lineage/faulty_storage.h"

#include "tests/support/gc_scene.h"
#include "tests/support/step_storage.h"

namespace stemma::lineage {
namespace {

using tests::IsOk;
using tests::StepStorage;

TEST_CASE("a fork at any moment of a collection holds or fails loudly") {
  int held = 0, refused = 0;
  for (int at = 1;; ++at) {
    Scene scene;
    Result<StateId> fork = Status(Code::kInternal, "not yet");
    StepStorage steps(scene.disk, at, [&] { fork = scene.Fork(scene.disk); });
    const std::unique_ptr<Store> store = *Store::Open("/store", false, steps);
    const Result<GcReport> done = CollectGarbage(*store, {}, scene.clock);
    if (!steps.ran()) break;
    INFO("at call " << at);
    REQUIRE_THAT(done.status(), IsOk());
    ++(fork.ok() ? held : refused);
    scene.CheckAtRest(Promised(fork));
  }
  CHECK(held > 10);
  CHECK(refused > 0);
}

TEST_CASE("a forker that sleeps anywhere through prune and collection holds or fails loudly") {
  int held = 0, refused = 0;
  for (int at = 1;; ++at) {
    Scene scene(false);
    StepStorage steps(scene.disk, at, [&] {
      scene.Prune(0);
      scene.disk.AdvanceMs(3600 * 1000);
      REQUIRE_THAT(scene.Gc().status(), IsOk());
      REQUIRE_THAT(scene.Gc().status(), IsOk());  // the first one may have found a lease
    });
    const Result<StateId> fork = scene.Fork(steps);
    if (!steps.ran()) break;
    INFO("at call " << at << ": " << fork.status().message());
    ++(fork.ok() ? held : refused);
    scene.CheckAtRest(Promised(fork));
  }
  CHECK(held > 0);
  CHECK(refused > 0);
}

TEST_CASE("a collector that stops at any step for any part of a fork does no harm") {
  for (int until = 1; until <= kSteps; ++until) {
    for (int at = 1;; ++at) {
      Scene scene;
      Collector collector(*scene.store, {}, scene.clock);
      StepStorage steps(scene.disk, at, [&] { RunSteps(collector, 0, until); });
      const Result<StateId> fork = scene.Fork(steps);
      if (!steps.ran()) break;
      INFO("steps before " << until << " at call " << at);
      RunSteps(collector, until, kSteps);
      scene.CheckAtRest(Promised(fork));
    }
  }
}

TEST_CASE("a collector that wakes up at any call after its epoch was taken over does no harm") {
  for (const bool fork_first : {true, false}) {
    for (int at = 1;; ++at) {
      Scene scene;
      Result<StateId> fork = Status(Code::kInternal, "not yet");
      StepStorage steps(scene.disk, at, [&] {
        if (fork_first) fork = scene.Fork(scene.disk);
        const Status other = CollectGarbage(*scene.store, {}, scene.clock).status();
        REQUIRE_THAT(other, IsOk());
        if (!fork_first) fork = scene.Fork(scene.disk);
      });
      const std::unique_ptr<Store> store = *Store::Open("/store", false, steps);
      const Status zombie = CollectGarbage(*store, {}, scene.clock).status();
      if (!steps.ran()) break;
      INFO("at call " << at << ": " << zombie.message());
      scene.CheckAtRest(Promised(fork));
    }
  }
}

TEST_CASE("a crash at any change of a collection loses nothing without a mark") {
  for (const Fault fault : {Fault::kDieBefore, Fault::kDieAfter}) {
    bool fired = true;
    for (uint64_t change = 1; fired; ++change) {
      Scene scene;
      FaultyStorage faulty(scene.disk);
      const std::unique_ptr<Store> store = *Store::Open("/store", false, faulty);
      faulty.FailAt(change, fault);
      const Result<GcReport> done = CollectGarbage(*store, {}, scene.clock);
      fired = faulty.fired();
      INFO("change " << change << ": " << done.status().message());
      scene.disk.Crash(change);
      scene.CheckAtRest(scene.states);
      CHECK_FALSE(scene.Has(0));  // the next collector finished the work
    }
  }
}

TEST_CASE("a forker's death at any change loses nothing, and its intent is never collected") {
  bool fired = true, kept = false;
  for (uint64_t change = 1; fired; ++change) {
    Scene scene(false);
    FaultyStorage faulty(scene.disk);
    const std::unique_ptr<Store> store = *Store::Open("/store", false, faulty);
    faulty.FailAt(change, Fault::kDieAfter);
    const Result<StateId> fork = store->Fork(scene.before, scene.states[0], "child", {});
    fired = faulty.fired();
    scene.disk.Crash(change);
    scene.Prune(0);
    scene.disk.AdvanceMs(3600 * 1000);
    REQUIRE_THAT(scene.Gc().status(), IsOk());
    kept = kept || (!fork.ok() && scene.Has(0));
    scene.CheckAtRest(Promised(fork));
    CHECK_THAT(scene.Gc().status(), IsOk());
  }
  CHECK(kept);
}

TEST_CASE("power loss beside a collection leaves an acknowledged fork its bytes") {
  for (int at = 1;; ++at) {
    Scene scene;
    Result<StateId> fork = Status(Code::kInternal, "not yet");
    FaultyStorage faulty(scene.disk);
    StepStorage steps(faulty, at, [&] {
      fork = scene.Fork(scene.disk);
      faulty.FailAt(faulty.changes() + 1, Fault::kDieAfter);
    });
    const std::unique_ptr<Store> store = *Store::Open("/store", false, steps);
    (void)CollectGarbage(*store, {}, scene.clock).status();
    if (!steps.ran()) break;
    scene.disk.Crash(static_cast<uint64_t>(at));
    INFO("at call " << at);
    scene.CheckAtRest(Promised(fork));
  }
}

}  // namespace
}  // namespace stemma::lineage
