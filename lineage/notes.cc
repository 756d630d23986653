#include "lineage/notes.h"

#include <algorithm>
#include <ctime>
#include <tuple>

#include "core/bytes.h"
#include "lineage/marks.h"
#include "lineage/run_logs.h"

namespace stemma::lineage::internal {
namespace {

std::string UtcText(uint64_t wall_ms) {
  const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text;
}

}  // namespace

Result<AllNotes> ReadAllNotes(Storage& storage, const Paths& paths) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> files, storage.List(paths.NotesDir()));
  AllNotes all;
  for (const std::string& file : files) {
    if (!ParseNotesSegment(file)) continue;
    const std::string path = paths.NotesDir() + "/" + file;
    ReadFrames(
        storage, path, SegmentKind::kNotes,
        [&](const FrameView& frame) -> Status {
          if (frame.type != FrameType::kNote) return {};
          STEMMA_ASSIGN_OR_RETURN(NoteEntry note, DecodeNote(frame.payload));
          all.notes.push_back({std::move(note), path});
          return {};
        },
        &all.unreadable, &all.warnings);
  }
  std::sort(all.notes.begin(), all.notes.end(), [](const FiledNote& a, const FiledNote& b) {
    return std::tie(a.note.clock, a.note.writer) < std::tie(b.note.clock, b.note.writer);
  });
  return all;
}

Result<std::optional<std::string>> MarkText(Storage& storage, const Paths& paths,
                                            const StateId& state, std::string_view key) {
  STEMMA_ASSIGN_OR_RETURN(const AllNotes all, ReadAllNotes(storage, paths));
  if (!all.unreadable.empty()) return Status(Code::kCorruption, all.unreadable + "; run fsck");
  std::optional<std::string> text;
  for (const FiledNote& filed : all.notes) {
    if (filed.note.target != state || filed.note.key != key) continue;
    text.reset();
    const std::string* why = std::get_if<std::string>(&filed.note.value);
    if (why == nullptr || why->empty()) continue;
    // A note's clock is its wall time, or little more where a clock was behind.
    text = "by " + filed.note.who + " on " + UtcText(filed.note.clock) + " (" + *why + ")";
  }
  return text;
}

std::string QuarantineText(Storage& storage, const Paths& paths, const StateId& state) {
  const auto text = MarkText(storage, paths, state, kQuarantinedKey);
  return "quarantined " + (text.ok() && *text ? **text : "by a note that cannot be read now") +
         "; `stemma fsck --repair --from OTHER_STORE` mends it, and `stemma verify " +
         Hex(state).substr(0, 8) + "` lifts it where the bytes are good";
}

}  // namespace stemma::lineage::internal
