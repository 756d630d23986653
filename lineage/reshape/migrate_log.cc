#include "lineage/reshape/migrate_log.h"

#include <algorithm>

#include "core/digest.h"
#include "lineage/run_logs.h"

namespace stemma::lineage::internal {
namespace {

// Numbers of what `parse` knows in a folder, ascending; none where the folder is not there.
template <typename Parse>
Result<std::vector<uint32_t>> NumbersIn(Storage& storage, const std::string& dir,
                                        const Parse& parse) {
  std::vector<uint32_t> numbers;
  Result<std::vector<std::string>> files = storage.List(dir);
  if (files.status().code() == Code::kNotFound) return numbers;
  STEMMA_RETURN_IF_ERROR(files.status());
  for (const std::string& file : *files) {
    if (const auto number = parse(file)) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

// The path of a new and empty file. One that stays empty is a gap between the numbers.
Result<std::string> ClaimSegment(Storage& storage, const Paths& paths, const std::string& run,
                                 uint32_t incarnation) {
  STEMMA_ASSIGN_OR_RETURN(
      const std::vector<uint32_t> taken,
      NumbersIn(storage, paths.IncarnationDir(run, incarnation), ParseLogSegment));
  const uint32_t next = taken.empty() ? 1 : taken.back() + 1;
  std::string path = paths.LogSegment(run, incarnation, next);
  STEMMA_ASSIGN_OR_RETURN(const auto file, storage.Create(path, {}));
  STEMMA_RETURN_IF_ERROR(file->Close());
  return path;
}

}  // namespace

Result<std::vector<uint32_t>> IncarnationsOf(Storage& storage, const Paths& paths,
                                             const std::string& run) {
  return NumbersIn(storage, paths.RunDir(run), ParseIncarnation);
}

Result<LogOfIncarnation> ReadLog(Storage& storage, const Paths& paths, const std::string& run,
                                 uint32_t incarnation,
                                 const std::map<StateId, const Record*>* wanted) {
  LogOfIncarnation log;
  STEMMA_ASSIGN_OR_RETURN(
      const std::vector<uint32_t> segments,
      NumbersIn(storage, paths.IncarnationDir(run, incarnation), ParseLogSegment));
  std::string damage;
  std::vector<std::string> warnings;
  for (const uint32_t segment : segments) {
    const auto take = [&](const FrameView& frame) -> Status {
      if (frame.type == FrameType::kOpen && log.open.empty()) log.open = frame.payload;
      if (frame.type != FrameType::kState || wanted == nullptr) return {};
      const StateId id(frame.payload.substr(0, kSha256Bytes));
      if (wanted->count(id)) log.states[id] = frame.payload;
      return {};
    };
    ReadFrames(storage, paths.LogSegment(run, incarnation, segment), SegmentKind::kLog, take,
               &damage, &warnings);
  }
  if (damage.empty()) return log;
  return Status(Code::kCorruption, damage + "; run fsck");
}

MigrantSegment::MigrantSegment()
    : ulid_(UlidToBytes(NewUlid())), bytes_(EncodeSegmentHeader(SegmentKind::kLog, ulid_)) {}

void MigrantSegment::Add(FrameType type, std::string_view payload) {
  bytes_ += EncodeFrame(ulid_, type, payload);
}

Status MigrantSegment::Publish(Storage& storage, const Paths& paths, const std::string& run,
                               uint32_t incarnation) const {
  STEMMA_ASSIGN_OR_RETURN(const std::string path, ClaimSegment(storage, paths, run, incarnation));
  const std::string temporary = paths.TmpDir() + "/segment-" + NewUlid();
  Status put = WriteSynced(storage, temporary, bytes_);
  if (put.ok()) put = storage.Rename(temporary, path);
  if (!put.ok()) {
    (void)storage.Remove(temporary);
    return put;
  }
  return storage.SyncDir(ParentOf(path));
}

}  // namespace stemma::lineage::internal
