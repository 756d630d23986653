#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lineage/fsck.h"

#include "tests/support/gc_scene.h"
#include "tests/support/spawn.h"
#include "tests/support/thread_cohort.h"
#include "tests/support/toy_state.h"

// Jobs of a toy model, part of which is frozen, and the states they leave.
namespace stemma::lineage {

using tests::CohortRoom;
using tests::HasCode;
using tests::IsOk;
using tests::SpawnRanks;
using tests::ThreadCohort;
using tests::ToyRank;
using tests::ToySpans;

inline std::vector<Span> Model(Role base = Role::kFrozen, bool per_rank = false) {
  std::vector<Span> spans = {ToySpans::MakeSpan("base.w", "params", DType::kF32, {70, 301}),
                             ToySpans::MakeSpan("head.w", "params", DType::kF32, {61, 53}),
                             ToySpans::MakeSpan("base.h", "params", DType::kF64, {9}),
                             ToySpans::MakeSpan("base.none", "params", DType::kF32, {0, 3}),
                             ToySpans::MakeSpan("m/head.w", "optim/m", DType::kF32, {61, 53}),
                             ToySpans::MakeSpan("mean", "small", DType::kF64, {5})};
  for (const size_t i : {0, 2, 3}) spans[i].role = base;
  spans[5].eager = true;
  if (per_rank) spans.push_back(ToySpans::MakeSpan("noise", "small", DType::kU8, {13}));
  if (per_rank) spans.back().role = Role::kPerRank;
  return spans;
}

inline LineageSettings Settings() {
  LineageSettings settings;
  settings.writer_bytes_min = 8192;  // so that a toy has several writers, of either part
  settings.verify_fence = true;
  return settings;
}

using Body = std::function<Status(ToyRank&)>;

// One incarnation of a job; from `from` where it is given.
inline std::vector<Status> RunJob(Store& store, int ranks, const std::vector<Span>& spans,
                                  const std::string& name, const Record* from, bool resume,
                                  const Body& body) {
  CohortRoom room(ranks);
  return SpawnRanks(ranks, [&](int rank) -> Status {
    ThreadCohort cohort(room, rank);
    ToySpans state(spans, rank);
    ToyRank toy{store, cohort, state, nullptr, nullptr};
    STEMMA_RETURN_IF_ERROR(toy.Begin(name, resume, Settings(), from));
    STEMMA_RETURN_IF_ERROR(body(toy));
    return toy.writer ? toy.writer->Close() : Status();
  });
}

inline void CheckAllOk(const std::vector<Status>& statuses) {
  for (const Status& status : statuses) REQUIRE_THAT(status, IsOk());
}

// `on_durable` hears of each state, on every rank.
inline Body Capturing(const std::vector<int64_t>& steps, std::optional<StateId> parent = {},
                      const std::function<void(ToyRank&)>& on_durable = {}) {
  return [=](ToyRank& toy) -> Status {
    std::optional<StateId> last = parent;
    for (const int64_t step : steps) {
      STEMMA_ASSIGN_OR_RETURN(const auto durable, toy.CaptureStep(step, last));
      if (!durable) return {Code::kInternal, "not durable"};
      last = durable->id;
      if (on_durable) on_durable(toy);
    }
    return {};
  };
}

inline const Record& At(const Graph& graph, const std::string& name) {
  const Result<StateId> id = Resolve(graph, name);
  REQUIRE_THAT(id.status(), IsOk());
  return graph.states.at(*id);
}

inline std::vector<ObjectId> FrozenOf(const Record& record) {
  std::vector<ObjectId> packs;
  for (size_t i = record.packs.size() - record.frozen_packs; i < record.packs.size(); ++i) {
    packs.push_back(record.packs[i].pack);
  }
  return packs;
}

// Every state restores on so many ranks; those whose layout says so in the roles of `spans`.
inline void CheckRestores(Store& store, const std::vector<Span>& spans, int ranks) {
  const Graph graph = MustLoad(store);
  CohortRoom room(ranks);
  CheckAllOk(SpawnRanks(ranks, [&](int rank) -> Status {
    ThreadCohort cohort(room, rank);
    for (const auto& [id, record] : graph.states) {
      if (IsPruned(graph, id)) continue;
      STEMMA_RETURN_IF_ERROR(tests::CheckRestores(store, record, spans, cohort));
    }
    return {};
  }));
}

inline void CheckWhole(const Store& store) {
  const Result<FsckReport> report = Fsck(store, {true});
  REQUIRE_THAT(report.status(), IsOk());
  CHECK(report->errors == std::vector<std::string>{});
}

// Captures with the spans given, as a loop does whose model was thawed or frozen in between.
inline Status CaptureAs(ToyRank& toy, int64_t step, Role base) {
  toy.state.spans = Model(base);
  toy.state.Fill(step);
  CaptureRequest request;
  request.record.step = step;
  request.spans = toy.state.spans;
  STEMMA_RETURN_IF_ERROR(toy.capturer->Capture(std::move(request)));
  STEMMA_RETURN_IF_ERROR(toy.capturer->WaitCopied());
  toy.state.Fill(-step - 1);
  STEMMA_ASSIGN_OR_RETURN(const auto durable, toy.capturer->Finish(toy.cohort));
  return durable.size() == 1 ? Status() : Status(Code::kInternal, "not durable");
}

// base@10 and base@20 name frozen packs, base@30 and base@40 do not: by then all was trained.
struct Thawed {
  MemoryStorage disk;
  FakeClock clock{disk};
  std::unique_ptr<Store> store = OpenStore(disk);
  Graph graph;

  Thawed() {
    CheckAllOk(RunJob(*store, 1, Model(), "base", nullptr, false, [](ToyRank& toy) -> Status {
      STEMMA_RETURN_IF_ERROR(CaptureAs(toy, 10, Role::kFrozen));
      STEMMA_RETURN_IF_ERROR(CaptureAs(toy, 20, Role::kFrozen));
      STEMMA_RETURN_IF_ERROR(CaptureAs(toy, 30, Role::kReplicated));
      return CaptureAs(toy, 40, Role::kReplicated);
    }));
    disk.AdvanceMs(3600 * 1000);
    graph = MustLoad(*store);
  }
  bool HasFrozen() {
    const std::vector<ObjectId> packs = FrozenOf(At(graph, "base@10"));
    return std::all_of(packs.begin(), packs.end(),
                       [&](const ObjectId& pack) { return disk.Exists(store->PackPath(pack)); });
  }
  Status Prune(const std::string& name) {
    return store->Mark(At(graph, name).id, kPrunedKey, std::string("test"));
  }
  Result<GcReport> Gc() {
    disk.AdvanceMs(3600 * 1000);
    return CollectGarbage(*store, {}, clock);
  }
};

}  // namespace stemma::lineage
