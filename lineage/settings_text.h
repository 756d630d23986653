// A state's settings as a blob of another state and what differs: a fork that changes one setting
// stores one line, not all of them once more.
//
//   blob     "optim.lr = 0.1\nrun.name = \"r50\"\ntrain.seed = 1\n"
//   changes  "optim.lr = 0.2\nrun.name = \"half\"\n"
//
// Both are lines `key = value`, each ended, keys strictly ascending by their bytes. Each line of
// the changes takes the place of the blob's with the same key, or is put where its key belongs;
// nothing takes a line away.
//
// Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/status.h"

namespace stemma::lineage {

// The text that the two stand for. kCorruption: one of them is no such lines.
Result<std::string> WithSettingChanges(std::string_view blob, std::string_view changes);

// The changes for which WithSettingChanges(blob, changes) == text; nullopt where there are none:
// the text lacks a line of the blob's, or one of the two is no such lines.
std::optional<std::string> SettingChangesTo(std::string_view blob, std::string_view text);

}  // namespace stemma::lineage
