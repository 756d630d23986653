#include "lineage/repair/mend_log.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lineage/log.h"
#include "lineage/names.h"
#include "lineage/record_codec.h"
#include "lineage/run_logs.h"
#include "lineage/store_impl.h"

namespace stemma::lineage {
namespace {

constexpr size_t kFrameHead = 8;  // length, type, version
constexpr size_t kIdBytes = 32;
constexpr size_t kDigestBytes = kFrameOverhead - kFrameHead;

std::vector<uint32_t> SegmentsOf(Storage& storage, const Paths& paths, const std::string& run,
                                 uint32_t incarnation) {
  std::vector<uint32_t> segments;
  const auto files = storage.List(paths.IncarnationDir(run, incarnation));
  if (!files.ok()) return segments;
  for (const std::string& file : *files) {
    if (const auto number = ParseLogSegment(file)) segments.push_back(*number);
  }
  return segments;
}

bool IsDamaged(Storage& storage, const std::string& path) {
  const auto bytes = storage.ReadBounded(path, kSegmentReadMax);
  if (!bytes.ok()) return false;
  const auto segment = ViewSegment(*bytes);
  return segment.ok() && segment->damaged;
}

// Bytes that belong at a place of the file, and who gave them.
struct Filling {
  std::string bytes, from;
};

class LogMending {
 public:
  LogMending(const Store& store, const std::vector<const Store*>& others, const LogPlace& place)
      : store_(store), others_(others), place_(place), path_(PathIn(store)) {}

  Result<LogMend> Mend() {
    STEMMA_ASSIGN_OR_RETURN(own_, store_.storage().ReadBounded(path_, kSegmentReadMax));
    ReadCopies();
    LogMend mend;
    mend.bytes = own_;
    for (;;) {
      const Result<SegmentView> now = ViewSegment(mend.bytes);
      if (!now.ok()) return Status(now.status()).Within(path_);
      if (!now->damaged) break;
      const uint64_t at = now->valid_bytes;
      std::optional<Filling> filling = at == 0 ? FindHeader() : FindFrame(now->ulid, at);
      if (!filling) {
        return Status(Code::kNotFound, path_ + " at byte " + std::to_string(at) +
                                           ": no copy of this log has the entry that is here");
      }
      if (mend.bytes.size() < at + filling->bytes.size()) {
        mend.bytes.resize(at + filling->bytes.size());
      }
      mend.bytes.replace(at, filling->bytes.size(), filling->bytes);
      const bool named =
          std::find(mend.from.begin(), mend.from.end(), filling->from) != mend.from.end();
      if (!named) mend.from.push_back(std::move(filling->from));
    }
    STEMMA_RETURN_IF_ERROR(Prove(mend.bytes));
    return mend;
  }

 private:
  std::string PathIn(const Store& store) const {
    return Paths(store.path()).LogSegment(place_.run, place_.incarnation, place_.segment);
  }

  void ReadCopies() {
    for (const Store* other : others_) {
      auto bytes = other->storage().ReadBounded(PathIn(*other), kSegmentReadMax);
      if (bytes.ok()) copies_.push_back({*std::move(bytes), PathIn(*other)});
    }
  }

  // A header under whose ulid this file holds an entry.
  std::optional<Filling> FindHeader() const {
    for (const Filling& copy : copies_) {
      const auto segment = ViewSegment(copy.bytes);
      if (!segment.ok() || segment->valid_bytes == 0 || segment->kind != SegmentKind::kLog) {
        continue;
      }
      if (!NextFrame(segment->ulid, own_, kSegmentHeaderBytes)) continue;
      return Filling{copy.bytes.substr(0, kSegmentHeaderBytes), copy.from};
    }
    return std::nullopt;
  }

  // What was written at `at`, unless it would cover an entry that is whole here.
  std::optional<Filling> FindFrame(const std::string& ulid, uint64_t at) {
    const std::optional<uint64_t> next = NextFrame(ulid, own_, at + 1);
    const auto fits = [&](uint64_t size) { return !next || at + size <= *next; };
    for (const Filling& copy : copies_) {
      const std::string_view frame = FrameAt(ulid, copy.bytes, at);
      if (!frame.empty() && fits(frame.size())) return Filling{std::string(frame), copy.from};
    }
    if (!records_) ReadRecords();
    for (const Filling& record : *records_) {
      std::string frame = EncodeFrame(ulid, FrameType::kState, record.bytes);
      if (!fits(frame.size()) || !Witnessed(frame, at)) continue;
      return Filling{std::move(frame), record.from};
    }
    return std::nullopt;
  }

  // The damaged bytes hold the frame's id or its digest where it would lie.
  bool Witnessed(const std::string& frame, uint64_t at) const {
    if (at + frame.size() > own_.size()) return false;
    const std::string_view here = std::string_view(own_).substr(at, frame.size());
    const std::string_view there = frame;
    const size_t digest = frame.size() - kDigestBytes;
    return here.substr(kFrameHead, kIdBytes) == there.substr(kFrameHead, kIdBytes) ||
           here.substr(digest) == there.substr(digest);
  }

  // Of this incarnation, from all its logs in all stores. A record proves itself by its id.
  void ReadRecords() {
    records_.emplace();
    std::vector<const Store*> all = {&store_};
    all.insert(all.end(), others_.begin(), others_.end());
    for (const Store* store : all) {
      const Paths paths(store->path());
      for (const uint32_t segment :
           SegmentsOf(store->storage(), paths, place_.run, place_.incarnation)) {
        const std::string path = paths.LogSegment(place_.run, place_.incarnation, segment);
        std::string damage;
        std::vector<std::string> warnings;
        internal::ReadFrames(
            store->storage(), path, SegmentKind::kLog,
            [&](const FrameView& frame) {
              if (frame.type == FrameType::kState && CheckRecord(frame.payload).ok()) {
                records_->push_back({std::string(frame.payload), path});
              }
              return Status();
            },
            &damage, &warnings);
      }
    }
  }

  Status CheckRecord(std::string_view payload) const {
    STEMMA_ASSIGN_OR_RETURN(const Record record, DecodeRecord(payload));
    return internal::CheckPlace(record.id, record.run, record.incarnation, place_.run,
                                place_.incarnation);
  }

  // A look of its own at what is about to be written.
  Status Prove(std::string_view bytes) const {
    STEMMA_ASSIGN_OR_RETURN(const SegmentView segment, ViewSegment(bytes));
    if (segment.kind != SegmentKind::kLog) return {Code::kCorruption, path_ + ": no run's log"};
    for (const FrameView& frame : segment.frames) {
      if (frame.type != FrameType::kState) continue;
      STEMMA_RETURN_IF_ERROR(CheckRecord(frame.payload).Within(path_));
    }
    return {};
  }

  const Store& store_;
  const std::vector<const Store*>& others_;
  const LogPlace& place_;
  const std::string path_;
  std::string own_;
  std::vector<Filling> copies_;                  // of this very file
  std::optional<std::vector<Filling>> records_;  // payloads; none: not read yet
};

// So that nobody appends to the file that is about to lose its name.
Status Fence(Store& store, const LogPlace& place) {
  const Paths paths(store.path());
  STEMMA_ASSIGN_OR_RETURN(const uint32_t newest,
                          internal::NewestIncarnation(store.storage(), paths, place.run));
  if (newest > place.incarnation) return {};
  STEMMA_ASSIGN_OR_RETURN(const auto writer, store.NextIncarnation(place.name));
  return writer->Close();
}

}  // namespace

std::vector<LogPlace> DamagedLogs(const Store& store) {
  Storage& storage = store.storage();
  const Paths paths(store.path());
  std::vector<LogPlace> damaged;
  const auto names = storage.List(paths.NamesDir());
  if (!names.ok()) return damaged;
  for (const std::string& name : *names) {
    if (!IsName(name)) continue;
    const auto run = internal::ReadRunOf(storage, paths, name);
    if (!run.ok()) continue;
    const auto files = storage.List(paths.RunDir(*run));
    if (!files.ok()) continue;
    for (const std::string& file : *files) {
      const auto incarnation = ParseIncarnation(file);
      if (!incarnation) continue;
      for (const uint32_t segment : SegmentsOf(storage, paths, *run, *incarnation)) {
        if (!IsDamaged(storage, paths.LogSegment(*run, *incarnation, segment))) continue;
        damaged.push_back({*run, name, *incarnation, segment});
      }
    }
  }
  return damaged;
}

Result<LogMend> TryMendLog(const Store& store, const std::vector<const Store*>& others,
                           const LogPlace& place) {
  return LogMending(store, others, place).Mend();
}

Status MendLog(Store& store, const std::vector<const Store*>& others, const LogPlace& place) {
  STEMMA_RETURN_IF_ERROR(TryMendLog(store, others, place).status());  // no fence for nothing
  STEMMA_RETURN_IF_ERROR(Fence(store, place));
  STEMMA_ASSIGN_OR_RETURN(const LogMend mend, TryMendLog(store, others, place));
  Storage& storage = store.storage();
  const Paths paths(store.path());
  const std::string path = paths.LogSegment(place.run, place.incarnation, place.segment);
  const std::string temporary = paths.TmpDir() + "/repair-" + NewUlid();
  Status put = WriteSynced(storage, temporary, mend.bytes);
  if (put.ok()) put = storage.Rename(temporary, path);
  if (!put.ok()) (void)storage.Remove(temporary);
  if (put.ok()) put = storage.SyncDir(ParentOf(path));
  return put;
}

}  // namespace stemma::lineage
