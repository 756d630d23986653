#include "tests/crash/replay/replay_scene.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "core/bytes.h"
#include "lineage/collect.h"
#include "lineage/fsck.h"
#include "lineage/graph.h"
#include "lineage/marks.h"
#include "lineage/store.h"

#include "tests/support/spawn.h"
#include "tests/support/thread_cohort.h"
#include "tests/support/toy_state.h"

namespace stemma::tests {
namespace {

using lineage::Graph;
using lineage::StateId;
using lineage::Store;
using Kind = Promise::Kind;

constexpr char kStore[] = "/store";
constexpr int kWriters = 2;
constexpr int64_t kAnHourMs = 3600 * 1000;

// Time passes only where somebody waits.
class DiskClock final : public lineage::GcClock {
 public:
  explicit DiskClock(lineage::MemoryStorage& disk) : disk_(disk) {}
  double Now() override { return now_; }
  void Sleep(double seconds) override {
    now_ += seconds;
    disk_.AdvanceMs(static_cast<int64_t>(seconds * 1000));
  }

 private:
  lineage::MemoryStorage& disk_;
  double now_ = 0;
};

Result<lineage::GcReport> Collect(const Store& store, lineage::MemoryStorage& disk) {
  DiskClock clock(disk);
  lineage::GcOptions options;
  options.beat_s = 300;  // two beats in a grace: the recording has each
  options.stale_s = 600;
  return CollectGarbage(store, options, clock);
}

std::vector<lineage::Span> Spans() { return ToySpans::SmallModel(false); }

class Liver {
 public:
  Liver(lineage::MemoryStorage& disk, RecordedStorage& recorded, std::vector<Promise>* promises)
      : disk_(disk), recorded_(recorded), promises_(*promises) {}

  Status Create() {
    STEMMA_ASSIGN_OR_RETURN(store_, Store::Open(kStore, true, recorded_));
    Promised({Kind::kStore, "", "", 0});
    return {};
  }

  Status Live() {
    STEMMA_RETURN_IF_ERROR(Create());
    STEMMA_RETURN_IF_ERROR(Train("base", false, {1, 2, 3}));
    disk_.AdvanceMs(kAnHourMs);
    STEMMA_RETURN_IF_ERROR(Fork("branch", 1));
    STEMMA_RETURN_IF_ERROR(Name());
    STEMMA_RETURN_IF_ERROR(Prune(0));
    STEMMA_RETURN_IF_ERROR(Collected(1));
    STEMMA_RETURN_IF_ERROR(Prune(1));
    STEMMA_RETURN_IF_ERROR(TakeBack(1));
    STEMMA_RETURN_IF_ERROR(Train("base", true, {4}));
    return Train("branch", true, {5});
  }

 private:
  void Promised(Promise promise) {
    promises_.push_back(std::move(promise));
    recorded_.Mark();
  }

  Status Train(const std::string& run, bool resume, const std::vector<int64_t>& steps) {
    lineage::LineageSettings settings;
    settings.writer_bytes_min = 1024;
    CohortRoom room(kWriters);
    const auto statuses = SpawnRanks(kWriters, [&](int rank) -> Status {
      ThreadCohort cohort(room, rank);
      ToySpans state(Spans(), rank);
      ToyRank toy{*store_, cohort, state, nullptr, nullptr};
      STEMMA_RETURN_IF_ERROR(toy.Begin(run, resume, settings));
      if (rank == 0 && !resume) Promised({Kind::kRun, run, "", 0});
      std::optional<StateId> parent;
      if (resume) {
        Result<Graph> graph = store_->Load();
        STEMMA_RETURN_IF_ERROR(Agree(cohort, graph.status()));
        parent = graph->runs.at(run).head;
      }
      for (const int64_t step : steps) {
        STEMMA_ASSIGN_OR_RETURN(const auto durable, toy.CaptureStep(step, parent));
        if (!durable) return {Code::kInternal, "a capture was dropped"};
        parent = durable->id;
        if (rank == 0) Promised({Kind::kState, run, durable->id, step});
        if (rank == 0 && run == "base") states_.push_back(durable->id);
      }
      return Agree(cohort, rank == 0 ? toy.writer->Close() : Status());
    });
    return statuses.front();
  }

  Status Fork(const std::string& name, size_t state) {
    STEMMA_ASSIGN_OR_RETURN(const Graph graph, store_->Load());
    lineage::Record change;  // its record lies across the end of a page
    change.attributes["note"] = std::string(3000, 'n');
    STEMMA_ASSIGN_OR_RETURN(const StateId id, store_->Fork(graph, states_[state], name, change));
    Promised({Kind::kRun, name, "", 0});
    Promised({Kind::kState, name, id, graph.states.at(states_[state]).step});
    return {};
  }

  // A tag that is set, moved, and another that is taken away; a note.
  Status Name() {
    STEMMA_RETURN_IF_ERROR(store_->SetTag("best", states_[0], "", {}));
    Promised({Kind::kTag, "best", states_[0], 0});
    STEMMA_RETURN_IF_ERROR(store_->SetTag("best", states_[2], "", {}));
    Promised({Kind::kTag, "best", states_[2], 0});
    STEMMA_RETURN_IF_ERROR(store_->SetTag("gone", states_[0], "", {}));
    Promised({Kind::kTag, "gone", states_[0], 0});
    STEMMA_RETURN_IF_ERROR(store_->RemoveTag("gone", "", {}));
    Promised({Kind::kNoTag, "gone", "", 0});
    STEMMA_RETURN_IF_ERROR(store_->Annotate(states_[2], "verdict", std::string("good")));
    Promised({Kind::kNote, "", states_[2], 0});
    return {};
  }

  Status Prune(size_t state) {
    STEMMA_RETURN_IF_ERROR(store_->Load().status());  // a mark wins over those that were loaded
    STEMMA_RETURN_IF_ERROR(store_->Mark(states_[state], lineage::kPrunedKey, std::string("test")));
    Promised({Kind::kPruned, "", states_[state], 0});
    return {};
  }

  Status Collected(size_t states) {
    disk_.AdvanceMs(kAnHourMs);
    STEMMA_ASSIGN_OR_RETURN(const lineage::GcReport report, Collect(*store_, disk_));
    if (report.freed.size() == states * kWriters) return {};
    return {Code::kInternal, std::to_string(report.freed.size()) + " packs were freed"};
  }

  Status TakeBack(size_t state) {
    STEMMA_ASSIGN_OR_RETURN(const Graph graph, store_->Load());
    STEMMA_RETURN_IF_ERROR(UndoPrune(*store_, graph, states_[state]));
    Promised({Kind::kUnpruned, "", states_[state], 0});
    return {};
  }

  lineage::MemoryStorage& disk_;
  RecordedStorage& recorded_;
  std::vector<Promise>& promises_;
  std::unique_ptr<Store> store_;
  std::vector<StateId> states_;  // of "base"
};

Life Record(bool all) {
  Life life;
  lineage::MemoryStorage disk;
  RecordedStorage recorded(disk);
  Liver liver(disk, recorded, &life.promises);
  const Status lived = all ? liver.Live() : liver.Create();
  life.failure = lived.message();
  life.recording = recorded.Take();
  return life;
}

// Fails with the first thing that is wrong.
class Court {
 public:
  Court(lineage::Storage& disk, const std::vector<Promise>& promises, size_t count)
      : disk_(disk), promises_(promises.begin(), promises.begin() + static_cast<long>(count)) {}

  Status Judge() {
    if (promises_.empty() && !disk_.Exists(std::string(kStore) + "/format")) return {};
    STEMMA_ASSIGN_OR_RETURN(store_, Store::Open(kStore, false, disk_));
    STEMMA_ASSIGN_OR_RETURN(graph_, store_->Load());
    std::map<std::string, const Promise*> tags;  // the last word about each
    std::map<StateId, const Promise*> marks;
    for (const Promise& promise : promises_) {
      STEMMA_RETURN_IF_ERROR(Kept(promise));
      if (promise.kind == Kind::kTag || promise.kind == Kind::kNoTag) tags[promise.name] = &promise;
      if (promise.kind >= Kind::kPruned) marks[promise.id] = &promise;
    }
    for (const auto& [name, promise] : tags) STEMMA_RETURN_IF_ERROR(TagIs(*promise));
    for (const auto& [id, promise] : marks) STEMMA_RETURN_IF_ERROR(MarkIs(*promise));
    STEMMA_RETURN_IF_ERROR(AllRestores());
    STEMMA_ASSIGN_OR_RETURN(const lineage::FsckReport report, Fsck(*store_, {true}));
    return report.clean() ? Status() : Broken("fsck: " + report.errors.front());
  }

 private:
  static Status Broken(const std::string& what) { return {Code::kInternal, what}; }

  Status Kept(const Promise& promise) const {
    const auto state = graph_.states.find(promise.id);
    if (promise.kind == Kind::kRun && graph_.runs.count(promise.name) == 0) {
      return Broken("run " + promise.name + " is not there");
    }
    if (promise.kind == Kind::kState) {
      if (state == graph_.states.end())
        return Broken("the state of step " + std::to_string(promise.step) + " is lost");
      if (state->second.step != promise.step) return Broken("a state has another step");
      if (state->second.metrics.count("loss") == 0) return Broken("a state lost its metrics");
    }
    if (promise.kind == Kind::kNote) {
      const auto notes = graph_.notes.find(promise.id);
      if (notes == graph_.notes.end() || notes->second.count("verdict") == 0) {
        return Broken("a note is lost");
      }
    }
    return {};
  }

  // What came after the last word may be there as well: it was in the making.
  Status TagIs(const Promise& promise) const {
    STEMMA_ASSIGN_OR_RETURN(const auto history, store_->TagHistory(promise.name));
    for (const lineage::TagEntry& entry : history) {
      if (entry.target == promise.id) return {};
    }
    return Broken("tag " + promise.name + " lost a version");
  }

  Status MarkIs(const Promise& promise) const {
    if (promise.kind == Kind::kUnpruned) {
      return IsPruned(graph_, promise.id) ? Broken("a prune came back") : Status();
    }
    const auto notes = graph_.notes.find(promise.id);
    if (notes != graph_.notes.end() && notes->second.count(lineage::kPrunedKey) != 0) return {};
    return Broken("a prune mark is lost");
  }

  // Those that nobody was told of as well: a state is there whole or not at all.
  Status AllRestores() const {
    SoloCohort solo;
    for (const auto& [id, record] : graph_.states) {
      if (IsPruned(graph_, id)) continue;
      STEMMA_RETURN_IF_ERROR(CheckRestores(*store_, record, Spans(), solo));
    }
    return {};
  }

  lineage::Storage& disk_;
  const std::vector<Promise> promises_;
  std::unique_ptr<Store> store_;
  Graph graph_;
};

Status Resume(Store& store, const std::string& run) {
  STEMMA_ASSIGN_OR_RETURN(const Graph graph, store.Load());
  const auto found = graph.runs.find(run);
  const bool resume = found != graph.runs.end();
  SoloCohort solo;
  ToySpans state(Spans(), 0);
  ToyRank toy{store, solo, state, nullptr, nullptr};
  std::optional<StateId> parent;
  if (resume && !found->second.states.empty()) {
    std::vector<std::string> skipped;
    STEMMA_ASSIGN_OR_RETURN(parent, ResumePoint(store, graph, run, &skipped));
    if (!skipped.empty()) return {Code::kInternal, "resume passed over " + skipped.front()};
  }
  STEMMA_RETURN_IF_ERROR(toy.Begin(run, resume, {}));
  STEMMA_ASSIGN_OR_RETURN(const auto durable, toy.CaptureStep(9, parent));
  if (!durable) return {Code::kInternal, "the capture after the resume was dropped"};
  STEMMA_RETURN_IF_ERROR(toy.writer->Close());
  STEMMA_ASSIGN_OR_RETURN(const Graph after, store.Load());
  if (after.runs.at(run).head == durable->id) return {};
  return {Code::kInternal, "what was captured after the resume is not the head"};
}

}  // namespace

Life RecordLife() { return Record(true); }
Life RecordCreation() { return Record(false); }

std::string Judge(lineage::Storage& disk, const std::vector<Promise>& promises, size_t count) {
  const Status status = Court(disk, promises, count).Judge();
  return status.ok() ? "" : status.message();
}

std::string GoOn(lineage::MemoryStorage& disk, const std::vector<Promise>& promises, size_t count) {
  Result<std::unique_ptr<Store>> store = Store::Open(kStore, count == 0, disk);
  if (!store.ok()) return "open: " + store.status().message();
  disk.AdvanceMs(kAnHourMs);
  const Result<lineage::GcReport> freed = Collect(**store, disk);
  if (!freed.ok()) return "gc: " + freed.status().message();
  const std::string after = Judge(disk, promises, count);
  if (!after.empty()) return "after gc: " + after;
  const Status resumed = Resume(**store, "base");
  if (!resumed.ok()) return "resume: " + resumed.message();
  const std::string end = Judge(disk, promises, count);
  return end.empty() ? "" : "after the resume: " + end;
}

}  // namespace stemma::tests
