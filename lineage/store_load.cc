#include <algorithm>
#include <set>

#include "core/bytes.h"
#include "lineage/graph.h"
#include "lineage/layout.h"
#include "lineage/marks.h"
#include "lineage/notes.h"
#include "lineage/pack.h"
#include "lineage/run_logs.h"
#include "lineage/store_impl.h"

namespace stemma::lineage {
namespace internal {
namespace {

// One Load: gathers frames of all logs, then settles what they say about each other.
class Loader {
 public:
  Loader(Storage& storage, const Paths& paths) : storage_(storage), paths_(paths) {}

  // Tags and notes before logs: what they name was durable before them, so a log read later has it.
  Result<Graph> Load(uint64_t* clock) {
    STEMMA_RETURN_IF_ERROR(ReadTags());
    STEMMA_RETURN_IF_ERROR(ReadNotes(clock));
    STEMMA_RETURN_IF_ERROR(ReadRuns());
    DropWithdrawn();
    LinkGraph(&graph_);
    return std::move(graph_);
  }

 private:
  Status ReadTags() {
    STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage_.List(paths_.TagsDir()));
    for (const std::string& name : names) {
      if (!IsName(name)) continue;
      STEMMA_ASSIGN_OR_RETURN(const TagVersions versions, ReadTag(storage_, paths_, name, true));
      if (!versions.unreadable.empty()) graph_.unreadable = versions.unreadable;
      if (versions.valid.empty() || versions.valid.back().target.empty()) continue;
      graph_.tags[name] = versions.valid.back();
    }
    return {};
  }

  Status ReadNotes(uint64_t* clock) {
    STEMMA_ASSIGN_OR_RETURN(AllNotes all, ReadAllNotes(storage_, paths_));
    for (std::string& warning : all.warnings) graph_.warnings.push_back(std::move(warning));
    if (!all.unreadable.empty()) graph_.unreadable = std::move(all.unreadable);
    for (FiledNote& filed : all.notes) {
      *clock = std::max(*clock, filed.note.clock);
      graph_.notes[filed.note.target][filed.note.key] = std::move(filed.note.value);
    }
    return {};
  }

  Status ReadRuns() {
    STEMMA_ASSIGN_OR_RETURN(std::vector<std::string> names, storage_.List(paths_.NamesDir()));
    names.erase(std::remove_if(names.begin(), names.end(),
                               [](const std::string& name) { return !IsName(name); }),
                names.end());
    std::vector<RunLogs> all = ReadAllRuns(storage_, paths_, names);
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i].status.ok()) {
        Add(std::move(all[i]));
      } else {
        graph_.warnings.push_back("run '" + names[i] + "': " + all[i].status.message());
      }
    }
    return {};
  }

  // A state that is in the logs twice (an append that was repeated) counts once.
  void Add(RunLogs logs) {
    for (std::string& warning : logs.warnings) graph_.warnings.push_back(std::move(warning));
    withdrawn_.insert(logs.withdrawn.begin(), logs.withdrawn.end());
    for (Record& record : logs.states) {
      const StateId id = record.id;
      if (graph_.states.emplace(id, std::move(record)).second) logs.run.states.push_back(id);
    }
    const std::string name = logs.run.name;
    graph_.runs[name] = std::move(logs.run);
  }

  // A withdrawn state was never acknowledged. One that a resume had already read and gone on from
  // stays all the same: its bytes are good, and its child needs the edge.
  void DropWithdrawn() {
    if (withdrawn_.empty()) return;
    std::set<StateId> needed;
    std::vector<StateId> queue;
    for (const auto& [id, record] : graph_.states) {
      if (!withdrawn_.count(id)) queue.push_back(id);
    }
    while (!queue.empty()) {
      const StateId id = queue.back();
      queue.pop_back();
      for (const Edge& edge : graph_.states.at(id).parents) {
        if (!withdrawn_.count(edge.parent) || !graph_.states.count(edge.parent)) continue;
        if (needed.insert(edge.parent).second) queue.push_back(edge.parent);
      }
    }
    for (const StateId& id : withdrawn_) {
      if (!needed.count(id)) graph_.states.erase(id);
    }
    for (auto& [name, run] : graph_.runs) {
      auto gone = [this](const StateId& id) { return graph_.states.count(id) == 0; };
      run.states.erase(std::remove_if(run.states.begin(), run.states.end(), gone),
                       run.states.end());
    }
  }

  Storage& storage_;
  const Paths& paths_;
  Graph graph_;
  std::set<StateId> withdrawn_;
};

}  // namespace

Result<Graph> StoreImpl::Load() const {
  uint64_t clock = 0;
  STEMMA_ASSIGN_OR_RETURN(Graph graph, Loader(storage_, paths_).Load(&clock));
  MutexLock lock(mutex_);
  clock_ = std::max(clock_, clock);
  return graph;
}

namespace {

// Whether the pack headers are what the layout says: damage there would end every restart, while
// there are older states. Data is read, and held against its digests, by Restore alone.
Status CheckHeaders(const Store& store, const Record& record) {
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, store.GetLayout(record.layout));
  STEMMA_ASSIGN_OR_RETURN(const Layout layout, Layout::Decode(bytes));
  for (const PackRef& pack : record.packs) {
    const std::string path = store.PackPath(pack.pack);
    STEMMA_RETURN_IF_ERROR(PackReader::Open(store.storage(), path, pack.pack, layout).status());
  }
  return {};
}

// Whether it may be gone on from, and its packs are where they belong.
Status Resumable(const Store& store, const Graph& graph, const Record& record) {
  if (IsSuspect(record)) return {Code::kCorruption, record.audit};
  if (IsPruned(graph, record.id)) STEMMA_RETURN_IF_ERROR(store.WhyPruned(record));
  if (IsQuarantined(graph, record.id)) {
    return {Code::kCorruption, QuarantineText(store.storage(), Paths(store.path()), record.id)};
  }
  return store.EnsurePacks(record, IfPruned::kRefuse);
}

// Where a run has nothing left, what it came from may be whole.
std::string BeforeAll(const Graph& graph, const std::vector<StateId>& line) {
  if (line.empty()) return "";
  for (const StateId& id : Ancestors(graph, line.back())) {
    const Record& record = graph.states.at(id);
    if (IsSuspect(record) || IsPruned(graph, id) || IsQuarantined(graph, id)) continue;
    return "; " + NameOfState(record) + ", which it came from, may be whole: stemma fork " +
           NameOfState(record) + " --name NEWNAME";
  }
  return "";
}

}  // namespace
}  // namespace internal

Result<StateId> ResumePoint(const Store& store, const Graph& graph, const std::string& run,
                            std::vector<std::string>* skipped) {
  const auto found = graph.runs.find(run);
  if (found == graph.runs.end()) return Status(Code::kNotFound, "no run is called '" + run + "'");
  const Paths paths(store.path());
  std::vector<std::string> damaged;
  for (const StateId& id : MainLine(graph, found->second)) {
    const Record& record = graph.states.at(id);
    Status whole = internal::Resumable(store, graph, record);
    if (whole.ok()) whole = internal::CheckObjects(store.storage(), paths, record);
    if (whole.ok()) whole = internal::CheckHeaders(store, record);
    if (whole.ok()) {
      if (skipped) *skipped = std::move(damaged);
      return id;
    }
    damaged.push_back(NameOfState(record) + " (" + Hex(id).substr(0, 16) + "): " + whole.message());
  }
  std::string text = "run '" + run + "' has no state that can be resumed";
  for (const std::string& one : damaged) text += "; " + one;
  text += internal::BeforeAll(graph, MainLine(graph, found->second));
  if (skipped) *skipped = std::move(damaged);
  return Status(Code::kNotFound, text);
}

}  // namespace stemma::lineage
