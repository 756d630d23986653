#include "lineage/run_logs.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/bytes.h"
#include "lineage/record_codec.h"
#include "lineage/side_by_side.h"
#include "lineage/store_impl.h"

namespace stemma::lineage::internal {
namespace {

constexpr size_t kRunsPerThread = 32;  // fewer are read before a thread has begun

std::string At(const std::string& path, uint64_t offset) {
  return path + " at byte " + std::to_string(offset);
}

void CannotRead(std::string why, std::string* damage, std::vector<std::string>* warnings) {
  if (damage->empty()) *damage = why;
  warnings->push_back(std::move(why));
}

Status TakeFrame(const FrameView& frame, uint32_t incarnation, RunLogs* logs) {
  if (frame.type == FrameType::kWithdrawn) {
    STEMMA_ASSIGN_OR_RETURN(const WithdrawnEntry entry, DecodeWithdrawn(frame.payload));
    logs->withdrawn.push_back(entry.state);
  }
  if (frame.type != FrameType::kState) return {};
  STEMMA_ASSIGN_OR_RETURN(Record record, DecodeRecord(frame.payload));
  STEMMA_RETURN_IF_ERROR(
      CheckPlace(record.id, record.run, record.incarnation, logs->run.ulid, incarnation));
  logs->states.push_back(std::move(record));
  return {};
}

void ReadIncarnation(Storage& storage, const Paths& paths, uint32_t incarnation, RunLogs* logs) {
  const std::string dir = paths.IncarnationDir(logs->run.ulid, incarnation);
  Result<std::vector<std::string>> files = storage.List(dir);
  if (!files.ok()) {
    return CannotRead(files.status().message(), &logs->run.unreadable, &logs->warnings);
  }
  std::vector<uint32_t> segments;
  for (const std::string& file : *files) {
    if (const auto number = ParseLogSegment(file)) segments.push_back(*number);
  }
  std::sort(segments.begin(), segments.end());
  for (const uint32_t segment : segments) {
    ReadFrames(
        storage, paths.LogSegment(logs->run.ulid, incarnation, segment), SegmentKind::kLog,
        [&](const FrameView& frame) { return TakeFrame(frame, incarnation, logs); },
        &logs->run.unreadable, &logs->warnings);
  }
}

Status ReadRun(Storage& storage, const Paths& paths, const std::string& name, RunLogs* logs) {
  STEMMA_ASSIGN_OR_RETURN(logs->run.ulid, ReadRunOf(storage, paths, name));
  STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> files,
                          storage.List(paths.RunDir(logs->run.ulid)));
  logs->run.name = name;
  std::vector<uint32_t> incarnations;
  for (const std::string& file : files) {
    if (const auto number = ParseIncarnation(file)) incarnations.push_back(*number);
  }
  std::sort(incarnations.begin(), incarnations.end());
  if (!incarnations.empty()) logs->run.newest_incarnation = incarnations.back();
  for (const uint32_t incarnation : incarnations) {
    ReadIncarnation(storage, paths, incarnation, logs);
  }
  return {};
}

}  // namespace

Status CheckPlace(std::string_view id, std::string_view of_run, uint32_t of_incarnation,
                  std::string_view run, uint32_t incarnation) {
  if (of_run == run && of_incarnation == incarnation) return {};
  return {Code::kCorruption,
          "state " + Hex(id).substr(0, 16) + " says that it belongs to another run or incarnation"};
}

std::map<StateId, std::map<std::string, AttributeValue>> MergedNotes(std::vector<NoteEntry> notes) {
  std::sort(notes.begin(), notes.end(), [](const NoteEntry& a, const NoteEntry& b) {
    return std::tie(a.clock, a.writer) < std::tie(b.clock, b.writer);
  });
  std::map<StateId, std::map<std::string, AttributeValue>> merged;
  for (NoteEntry& note : notes) merged[note.target][note.key] = std::move(note.value);
  return merged;
}

void ReadFrames(Storage& storage, const std::string& path, SegmentKind kind,
                const std::function<Status(const FrameView&)>& visit, std::string* damage,
                std::vector<std::string>* warnings, Torn torn) {
  const Result<std::string> bytes = storage.ReadBounded(path, kSegmentReadMax);
  if (!bytes.ok()) return CannotRead(path + ": " + bytes.status().message(), damage, warnings);
  (void)VisitFrames(*bytes, path, kind, visit, damage, warnings, torn);
}

bool VisitFrames(std::string_view bytes, const std::string& path, SegmentKind kind,
                 const std::function<Status(const FrameView&)>& visit, std::string* damage,
                 std::vector<std::string>* warnings, Torn torn) {
  Result<SegmentView> segment = ViewSegment(bytes);
  if (!segment.ok()) {
    CannotRead(path + ": " + segment.status().message(), damage, warnings);
    return true;
  }
  if (segment->damaged && torn == Torn::kAtItsEnd) {
    CannotRead(
        At(path, segment->valid_bytes) + ": " + segment->torn_why + ", and more entries follow",
        damage, warnings);
  } else if (segment->torn_bytes > 0) {
    warnings->push_back(
        At(path, segment->valid_bytes) + ": " + std::to_string(segment->torn_bytes) +
        " bytes are no whole frame (a torn tail, or an append in progress): " + segment->torn_why);
  }
  if (segment->valid_bytes > 0 && segment->kind != kind) {
    CannotRead(path + ": a segment of another kind lies here", damage, warnings);
  } else if (segment->valid_bytes > 0) {
    for (const FrameView& frame : segment->frames) {
      const Status taken = visit(frame);
      if (!taken.ok()) {
        CannotRead(At(path, frame.offset) + ": " + taken.message(), damage, warnings);
      }
    }
  }
  return segment->torn_bytes == 0;
}

std::vector<RunLogs> ReadAllRuns(Storage& storage, const Paths& paths,
                                 const std::vector<std::string>& names) {
  std::vector<RunLogs> all(names.size());
  SideBySide(names.size(), kRunsPerThread,
             [&](size_t i) { all[i].status = ReadRun(storage, paths, names[i], &all[i]); });
  return all;
}

}  // namespace stemma::lineage::internal
