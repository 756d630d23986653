#include "lineage/repair/mend_notes.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "core/bytes.h"
#include "lineage/log.h"
#include "lineage/marks.h"
#include "lineage/names.h"
#include "lineage/notes.h"
#include "lineage/record_codec.h"
#include "lineage/storage.h"

namespace stemma::lineage {
namespace {

constexpr size_t kFrameHead = 8;  // length, type, version
constexpr size_t kUlidAt = 8;     // behind the magic

// Of a whole frame.
FrameType TypeOf(std::string_view frame) {
  return static_cast<FrameType>(Decoder(frame.substr(4, 2)).U16());
}
std::string_view PayloadOf(std::string_view frame) {
  return frame.substr(kFrameHead, frame.size() - kFrameOverhead);
}

struct Copy {
  std::string bytes, path;
};

class NotesReading {
 public:
  NotesReading(const Store& store, const std::vector<const Store*>& others, std::string file)
      : store_(store), others_(others), path_(PathIn(store, file)), file_(std::move(file)) {}

  Result<NotesMend> Read() {
    STEMMA_ASSIGN_OR_RETURN(own_, store_.storage().ReadBounded(path_, kSegmentReadMax));
    const auto segment = ViewSegment(own_);
    if (!segment.ok()) return Status(segment.status()).Within(path_);
    for (const Store* other : others_) {
      const std::string path = PathIn(*other, file_);
      auto bytes = other->storage().ReadBounded(path, kSegmentReadMax);
      if (bytes.ok()) copies_.push_back({*std::move(bytes), path});
    }
    FindUlid();
    if (ulid_.empty()) {
      Lose(0, own_.size());
      return std::move(mend_);
    }
    uint64_t at = kSegmentHeaderBytes;
    while (at < own_.size()) {
      std::string_view frame = FrameAt(ulid_, own_, at);
      if (frame.empty()) {
        const std::optional<uint64_t> next = NextFrame(ulid_, own_, at + 1);
        frame = FromCopy(at, next);
        if (frame.empty()) {
          if (!next) break;  // a torn tail: nobody was told of it
          Lose(at, *next);
          at = *next;
          continue;
        }
      }
      STEMMA_RETURN_IF_ERROR(Take(frame));
      at += frame.size();
    }
    return std::move(mend_);
  }

 private:
  static std::string PathIn(const Store& store, const std::string& file) {
    return Paths(store.path()).NotesDir() + "/" + file;
  }

  // The one under which a frame of this file is whole. "": there is none.
  void FindUlid() {
    std::vector<std::string> candidates;
    if (own_.size() >= kSegmentHeaderBytes) candidates.push_back(own_.substr(kUlidAt, kUlidBytes));
    for (const Copy& copy : copies_) {
      if (copy.bytes.size() < kSegmentHeaderBytes) continue;
      candidates.push_back(copy.bytes.substr(kUlidAt, kUlidBytes));
    }
    for (std::string& candidate : candidates) {
      if (!NextFrame(candidate, own_, kSegmentHeaderBytes)) continue;
      ulid_ = std::move(candidate);
      return;
    }
  }

  // The frame at `at`, unless it would cover the next one that is whole here.
  std::string_view FromCopy(uint64_t at, const std::optional<uint64_t>& next) {
    for (const Copy& copy : copies_) {
      const std::string_view frame = FrameAt(ulid_, copy.bytes, at);
      if (frame.empty() || (next && at + frame.size() > *next)) continue;
      const auto& from = mend_.from;
      if (std::find(from.begin(), from.end(), copy.path) == from.end()) {
        mend_.from.push_back(copy.path);
      }
      return frame;
    }
    return {};
  }

  Status Take(std::string_view frame) {
    if (TypeOf(frame) == FrameType::kNote) {
      mend_.notes.emplace_back(PayloadOf(frame));
      return {};
    }
    return {Code::kIncompatible, path_ +
                                     ": it holds entries that this build does not know: mend "
                                     "it with the newer one that wrote it"};
  }

  // Mostly one bit is wrong, and what is left says what the note was about; it proves nothing.
  void Lose(uint64_t begin, uint64_t end) {
    std::string text = "bytes [" + std::to_string(begin) + ", " + std::to_string(end) + ")";
    if (end - begin >= kFrameOverhead && begin > 0) {
      const auto note = DecodeNote(PayloadOf(std::string_view(own_).substr(begin, end - begin)));
      if (note.ok()) {
        text += ", by what is left of it '" + note->key + "' of " + Hex(note->target).substr(0, 8);
      }
    }
    mend_.lost.push_back(std::move(text));
  }

  const Store& store_;
  const std::vector<const Store*> others_;
  const std::string path_, file_;
  std::string own_, ulid_;
  std::vector<Copy> copies_;
  NotesMend mend_;
};

using NoteKey = std::pair<uint64_t, std::string>;  // clock, writer

std::set<NoteKey> SeenNotes(const Store& store) {
  std::set<NoteKey> seen;
  const auto all = internal::ReadAllNotes(store.storage(), Paths(store.path()));
  if (!all.ok()) return seen;
  for (const internal::FiledNote& filed : all->notes) {
    seen.emplace(filed.note.clock, filed.note.writer);
  }
  return seen;
}

std::vector<std::string> Unseen(const Store& store, const std::vector<std::string>& notes) {
  const std::set<NoteKey> seen = SeenNotes(store);
  std::vector<std::string> unseen;
  for (const std::string& payload : notes) {
    const auto note = DecodeNote(payload);
    if (note.ok() && !seen.count({note->clock, note->writer})) unseen.push_back(payload);
  }
  return unseen;
}

// Durable, as a segment of its own.
Status WriteNotes(const Store& store, const std::vector<std::string>& notes) {
  if (notes.empty()) return {};
  Storage& storage = store.storage();
  const Paths paths(store.path());
  const std::string ulid = UlidToBytes(NewUlid());
  std::string bytes = EncodeSegmentHeader(SegmentKind::kNotes, ulid);
  for (const std::string& payload : notes) bytes += EncodeFrame(ulid, FrameType::kNote, payload);
  const std::string temporary = paths.TmpDir() + "/repair-" + NewUlid();
  Status put = WriteSynced(storage, temporary, bytes);
  if (put.ok()) put = storage.Rename(temporary, paths.NotesSegment(NewUlid(), 1));
  if (!put.ok()) (void)storage.Remove(temporary);
  if (put.ok()) put = storage.SyncDir(paths.NotesDir());
  return put;
}

// Where the bytes are gone, or not what they were, the mark stays.
Status TakePrunesBack(Store& store) {
  STEMMA_ASSIGN_OR_RETURN(const Graph graph, store.Load());
  for (const auto& [id, record] : graph.states) {
    if (!IsPruned(graph, id)) continue;
    const Status undone = UndoPrune(store, graph, id);
    if (undone.code() == Code::kIo) return undone;
  }
  return {};
}

}  // namespace

std::vector<std::string> HiddenNotes(const Store& store) {
  Storage& storage = store.storage();
  const std::string dir = Paths(store.path()).NotesDir();
  std::vector<std::string> hidden;
  const auto files = storage.List(dir);
  if (!files.ok()) return hidden;
  for (const std::string& file : *files) {
    if (ParseNotesSegment(file)) {
      const auto bytes = storage.ReadBounded(dir + "/" + file, kSegmentReadMax);
      const auto segment = bytes.ok() ? ViewSegment(*bytes) : Result<SegmentView>(bytes.status());
      if (segment.ok() && segment->damaged) hidden.push_back(file);
    } else if (ParseDamagedNotes(file)) {
      const auto mend = NotesReading(store, {}, file).Read();
      if (mend.ok() && !Unseen(store, mend->notes).empty()) hidden.push_back(file);
    }
  }
  return hidden;
}

Result<NotesMend> TryMendNotes(const Store& store, const std::vector<const Store*>& others,
                               const std::string& file) {
  return NotesReading(store, others, file).Read();
}

Status MendNotes(Store& store, const std::vector<const Store*>& others, const std::string& file) {
  STEMMA_ASSIGN_OR_RETURN(NotesMend mend, TryMendNotes(store, others, file));
  const std::optional<NotesFile> named = ParseNotesSegment(file);
  if (!named) return WriteNotes(store, Unseen(store, mend.notes));  // it is set aside already
  STEMMA_RETURN_IF_ERROR(WriteNotes(store, mend.notes));
  if (!mend.lost.empty()) STEMMA_RETURN_IF_ERROR(TakePrunesBack(store));
  const Paths paths(store.path());
  const std::string aside = paths.DamagedNotes(named->writer, named->segment);
  STEMMA_RETURN_IF_ERROR(store.storage().Rename(paths.NotesDir() + "/" + file, aside));
  STEMMA_RETURN_IF_ERROR(store.storage().SyncDir(paths.NotesDir()));
  STEMMA_ASSIGN_OR_RETURN(mend, TryMendNotes(store, {}, BaseOf(aside)));
  return WriteNotes(store, Unseen(store, mend.notes));
}

}  // namespace stemma::lineage
