#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lineage/collect.h"
#include "lineage/graph.h"
#include "lineage/marks.h"
#include "lineage/memory_storage.h"

#include "tests/support/status_matchers.h"
#include "tests/support/store_steps.h"

namespace stemma::lineage {

// Time passes only where somebody waits, on the disk too.
class FakeClock final : public GcClock {
 public:
  explicit FakeClock(MemoryStorage& disk) : disk_(disk) {}
  double Now() override { return now_; }
  void Sleep(double seconds) override {
    now_ += seconds;
    disk_.AdvanceMs(static_cast<int64_t>(seconds * 1000));
    if (during) during();
  }
  std::function<void()> during;

 private:
  MemoryStorage& disk_;
  double now_ = 0;
};

// A run of three states that ended an hour ago; the oldest is pruned where `prune` says so.
struct Scene {
  MemoryStorage disk;
  FakeClock clock{disk};
  std::unique_ptr<Store> store;
  std::string run;
  std::vector<StateId> states;
  Graph before;  // loaded before the prune: what a slow forker goes by

  explicit Scene(bool prune = true) {
    store = OpenStore(disk);
    auto writer = *store->StartRun("base");
    run = writer->run();
    for (const int64_t step : {10, 20, 30}) {
      const std::optional<StateId> parent =
          states.empty() ? std::nullopt : std::optional<StateId>(states.back());
      states.push_back(MustAppend(*store, *writer, step, parent));
    }
    REQUIRE_THAT(writer->Close(), tests::IsOk());
    disk.AdvanceMs(3600 * 1000);
    before = MustLoad(*store);
    if (prune) Prune(0);
  }

  void Prune(size_t state) {
    REQUIRE_THAT(store->Mark(states[state], kPrunedKey, std::string("test")), tests::IsOk());
  }
  std::string PathOf(size_t state) const {
    return store->PackPath(before.states.at(states[state]).packs[0].pack);
  }
  bool Has(size_t state) { return disk.Exists(PathOf(state)); }
  Result<GcReport> Gc() { return CollectGarbage(*store, {}, clock); }
  Result<StateId> Fork(Storage& through, const std::string& name = "child") {
    return OpenStore(through)->Fork(before, states[0], name, {});
  }

  // No state without a mark has lost a byte, and nothing that was promised is missing.
  void CheckWhole(const std::vector<StateId>& promised = {}) {
    const std::unique_ptr<Store> fresh = OpenStore(disk);
    const Graph graph = MustLoad(*fresh);
    for (const StateId& id : promised) REQUIRE(graph.states.count(id) == 1);
    for (const auto& [id, record] : graph.states) {
      if (IsPruned(graph, id)) continue;
      INFO(NameOfState(record));
      REQUIRE_THAT(fresh->EnsurePacks(record, IfPruned::kRefuse), tests::IsOk());
      const Result<uint64_t> bytes = disk.SizeOf(fresh->PackPath(record.packs[0].pack));
      REQUIRE_THAT(bytes.status(), tests::IsOk());
      REQUIRE(*bytes == record.packs[0].bytes);
    }
  }
  // Again, after collectors that find all at rest have done what they want.
  void CheckAtRest(const std::vector<StateId>& promised) {
    CheckWhole(promised);
    disk.AdvanceMs(3600 * 1000);
    REQUIRE_THAT(Gc().status(), tests::IsOk());
    CheckWhole(promised);
  }
};

inline std::vector<StateId> Promised(const Result<StateId>& fork) {
  return fork.ok() ? std::vector<StateId>{*fork} : std::vector<StateId>{};
}

// Runs the collector's steps [from, to).
inline void RunSteps(Collector& collector, int from, int to) {
  const std::vector<Status (Collector::*)()> steps = {
      &Collector::Claim,  &Collector::Adopt, &Collector::Mark,   &Collector::Trash,
      &Collector::ReMark, &Collector::Grace, &Collector::ReMark, &Collector::Unlink};
  for (int i = from; i < to; ++i) {
    INFO("step " << i);
    REQUIRE_THAT((collector.*steps[static_cast<size_t>(i)])(), tests::IsOk());
  }
}
constexpr int kSteps = 8;

}  // namespace stemma::lineage
