#include <algorithm>
#include <set>
#include <tuple>

#include "core/bytes.h"
#include "lineage/graph.h"
#include "lineage/layout.h"
#include "lineage/pack.h"
#include "lineage/record_codec.h"
#include "lineage/store_impl.h"

namespace stemma::lineage {
namespace internal {
namespace {

std::string At(const std::string& path, uint64_t offset) {
  return path + " at byte " + std::to_string(offset);
}

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
  void Warn(std::string text) { graph_.warnings.push_back(std::move(text)); }

  Status ReadTags() {
    STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage_.List(paths_.TagsDir()));
    for (const std::string& name : names) {
      if (!IsName(name)) continue;
      STEMMA_ASSIGN_OR_RETURN(const TagVersions versions, ReadTag(storage_, paths_, name, true));
      if (!versions.valid.empty()) graph_.tags[name] = versions.valid.back();
    }
    return {};
  }

  Status ReadNotes(uint64_t* clock) {
    STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> files, storage_.List(paths_.NotesDir()));
    std::vector<NoteEntry> notes;
    for (const std::string& file : files) {
      if (!ParseNotesSegment(file)) continue;
      ReadFrames(paths_.NotesDir() + "/" + file, SegmentKind::kNotes,
                 [&](const std::string& path, const Frame& frame) {
                   if (frame.type != FrameType::kNote) return;
                   Result<NoteEntry> note = DecodeNote(frame.payload);
                   if (note.ok()) return notes.push_back(*std::move(note));
                   Warn(At(path, frame.offset) + ": " + note.status().message());
                 });
    }
    std::sort(notes.begin(), notes.end(), [](const NoteEntry& a, const NoteEntry& b) {
      return std::tie(a.clock, a.writer) < std::tie(b.clock, b.writer);
    });
    for (NoteEntry& note : notes) {
      *clock = std::max(*clock, note.clock);
      graph_.notes[note.target][note.key] = std::move(note.value);
    }
    return {};
  }

  Status ReadRuns() {
    STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage_.List(paths_.NamesDir()));
    for (const std::string& name : names) {
      if (!IsName(name)) continue;
      Result<std::string> run = ReadRunOf(storage_, paths_, name);
      const Status read = run.ok() ? ReadRun(name, *run) : run.status();
      if (!read.ok()) Warn("run '" + name + "': " + read.message());
    }
    return {};
  }

  Status ReadRun(const std::string& name, const std::string& ulid) {
    STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> files,
                            storage_.List(paths_.RunDir(ulid)));
    RunEntry run;
    run.ulid = ulid;
    run.name = name;
    std::vector<uint32_t> incarnations;
    for (const std::string& file : files) {
      if (const auto number = ParseIncarnation(file)) incarnations.push_back(*number);
    }
    std::sort(incarnations.begin(), incarnations.end());
    if (!incarnations.empty()) run.newest_incarnation = incarnations.back();
    for (const uint32_t incarnation : incarnations) ReadIncarnation(&run, incarnation);
    graph_.runs[name] = std::move(run);
    return {};
  }

  void ReadIncarnation(RunEntry* run, uint32_t incarnation) {
    const std::string dir = paths_.IncarnationDir(run->ulid, incarnation);
    Result<std::vector<std::string>> files = storage_.List(dir);
    if (!files.ok()) return CannotRead(&run->unreadable, files.status().message());
    std::vector<uint32_t> segments;
    for (const std::string& file : *files) {
      if (const auto number = ParseLogSegment(file)) segments.push_back(*number);
    }
    std::sort(segments.begin(), segments.end());
    for (const uint32_t segment : segments) {
      ReadFrames(
          paths_.LogSegment(run->ulid, incarnation, segment), SegmentKind::kLog,
          [&](const std::string& path, const Frame& frame) {
            const Status read = ReadLogFrame(run, incarnation, frame);
            if (read.ok()) return;
            CannotRead(&run->unreadable, At(path, frame.offset) + ": " + read.message());
          },
          &run->unreadable);
    }
  }

  // What hides states: a torn tail does not, it never held one that counted.
  void CannotRead(std::string* unreadable, std::string why) {
    if (unreadable && unreadable->empty()) *unreadable = why;
    Warn(std::move(why));
  }

  template <typename Visit>
  void ReadFrames(const std::string& path, SegmentKind kind, Visit&& visit,
                  std::string* unreadable = nullptr) {
    Result<Segment> segment = ReadSegmentFile(storage_, path);
    if (!segment.ok()) return CannotRead(unreadable, path + ": " + segment.status().message());
    if (segment->damaged) {
      CannotRead(unreadable, At(path, segment->valid_bytes) + ": " + segment->torn_why +
                                 ", and more entries follow");
    } else if (segment->torn_bytes > 0) {
      Warn(At(path, segment->valid_bytes) + ": " + std::to_string(segment->torn_bytes) +
           " bytes are no whole frame (a torn tail, or an append in progress): " +
           segment->torn_why);
    }
    if (segment->valid_bytes == 0) return;
    if (segment->kind != kind) {
      return CannotRead(unreadable, path + ": a segment of another kind lies here");
    }
    for (const Frame& frame : segment->frames) visit(path, frame);
  }

  Status ReadLogFrame(RunEntry* run, uint32_t incarnation, const Frame& frame) {
    if (frame.type == FrameType::kWithdrawn) {
      STEMMA_ASSIGN_OR_RETURN(const WithdrawnEntry entry, DecodeWithdrawn(frame.payload));
      withdrawn_.insert(entry.state);
    }
    if (frame.type != FrameType::kState) return {};
    STEMMA_ASSIGN_OR_RETURN(Record record, DecodeRecord(frame.payload));
    if (record.run != run->ulid || record.incarnation != incarnation) {
      return {Code::kCorruption, "state " + Hex(record.id).substr(0, 16) +
                                     " says that it belongs to another run or incarnation"};
    }
    const StateId id = record.id;
    if (graph_.states.emplace(id, std::move(record)).second) run->states.push_back(id);
    return {};
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
    Status whole = IsSuspect(record) ? Status(Code::kCorruption, record.audit)
                                     : internal::CheckObjects(store.storage(), paths, record);
    if (whole.ok()) whole = internal::CheckHeaders(store, record);
    if (whole.ok()) {
      if (skipped) *skipped = std::move(damaged);
      return id;
    }
    damaged.push_back(NameOfState(record) + " (" + Hex(id).substr(0, 16) + "): " + whole.message());
  }
  std::string text = "run '" + run + "' has no state that can be resumed";
  for (const std::string& one : damaged) text += "; " + one;
  if (skipped) *skipped = std::move(damaged);
  return Status(Code::kNotFound, text);
}

}  // namespace stemma::lineage
