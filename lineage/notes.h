// All notes of a store, each with the file it is in, oldest first. What they come to is in a Graph;
// this is for who and when. Not for users.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/names.h"
#include "lineage/record_codec.h"
#include "lineage/storage.h"

namespace stemma::lineage::internal {

struct FiledNote {
  NoteEntry note;
  std::string path;
};

struct AllNotes {
  std::vector<FiledNote> notes;  // by (clock, writer)
  std::string unreadable;        // where some may be hidden, and why; "": all were read
  std::vector<std::string> warnings;
};

// Fails only when the folder cannot be listed.
Result<AllNotes> ReadAllNotes(Storage& storage, const Paths& paths);

// A mark whose value is a text, for people: "by ana@node7 on 2026-11-21 10:12:33 UTC (diverged)";
// nullopt: the state carries none, or it was taken back.
Result<std::optional<std::string>> MarkText(Storage& storage, const Paths& paths,
                                            const StateId& state, std::string_view key);

// Of a state that is quarantined: "quarantined by ... (pack ...); ...", with the ways out.
std::string QuarantineText(Storage& storage, const Paths& paths, const StateId& state);

}  // namespace stemma::lineage::internal
