#include "lineage/run_logs.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "core/bytes.h"
#include "lineage/record_codec.h"
#include "lineage/store_impl.h"

namespace stemma::lineage::internal {
namespace {

constexpr size_t kRunsPerThread = 32;  // fewer are read before a thread has begun
constexpr size_t kThreadsMax = 8;      // more than cores: most of the time is waiting for the disk

std::string At(const std::string& path, uint64_t offset) {
  return path + " at byte " + std::to_string(offset);
}

void CannotRead(std::string why, std::string* damage, std::vector<std::string>* warnings) {
  if (damage->empty()) *damage = why;
  warnings->push_back(std::move(why));
}

Status TakeFrame(const Frame& frame, uint32_t incarnation, RunLogs* logs) {
  if (frame.type == FrameType::kWithdrawn) {
    STEMMA_ASSIGN_OR_RETURN(const WithdrawnEntry entry, DecodeWithdrawn(frame.payload));
    logs->withdrawn.push_back(entry.state);
  }
  if (frame.type != FrameType::kState) return {};
  STEMMA_ASSIGN_OR_RETURN(Record record, DecodeRecord(frame.payload));
  if (record.run != logs->run.ulid || record.incarnation != incarnation) {
    return {Code::kCorruption, "state " + Hex(record.id).substr(0, 16) +
                                   " says that it belongs to another run or incarnation"};
  }
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
        [&](const Frame& frame) { return TakeFrame(frame, incarnation, logs); },
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

void ReadFrames(Storage& storage, const std::string& path, SegmentKind kind,
                const std::function<Status(const Frame&)>& visit, std::string* damage,
                std::vector<std::string>* warnings) {
  Result<Segment> segment = ReadSegmentFile(storage, path);
  if (!segment.ok()) {
    return CannotRead(path + ": " + segment.status().message(), damage, warnings);
  }
  if (segment->damaged) {
    CannotRead(
        At(path, segment->valid_bytes) + ": " + segment->torn_why + ", and more entries follow",
        damage, warnings);
  } else if (segment->torn_bytes > 0) {
    warnings->push_back(
        At(path, segment->valid_bytes) + ": " + std::to_string(segment->torn_bytes) +
        " bytes are no whole frame (a torn tail, or an append in progress): " + segment->torn_why);
  }
  if (segment->valid_bytes == 0) return;
  if (segment->kind != kind) {
    return CannotRead(path + ": a segment of another kind lies here", damage, warnings);
  }
  for (const Frame& frame : segment->frames) {
    const Status taken = visit(frame);
    if (!taken.ok()) CannotRead(At(path, frame.offset) + ": " + taken.message(), damage, warnings);
  }
}

std::vector<RunLogs> ReadAllRuns(Storage& storage, const Paths& paths,
                                 const std::vector<std::string>& names) {
  std::vector<RunLogs> all(names.size());
  std::atomic<size_t> next{0};
  const auto read = [&] {
    for (size_t i = next++; i < names.size(); i = next++) {
      all[i].status = ReadRun(storage, paths, names[i], &all[i]);
    }
  };
  std::vector<std::thread> threads;
  const size_t wanted = std::min(kThreadsMax, names.size() / kRunsPerThread);
  try {
    while (threads.size() < wanted) threads.emplace_back(read);
  } catch (const std::system_error&) {  // no more threads to be had: this one reads what is left
  }
  read();
  for (std::thread& thread : threads) thread.join();
  return all;
}

}  // namespace stemma::lineage::internal
