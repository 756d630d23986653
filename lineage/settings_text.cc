#include "lineage/settings_text.h"

#include <map>

namespace stemma::lineage {
namespace {

using Lines = std::map<std::string_view, std::string_view>;  // by key; with their ends

std::optional<Lines> LinesOf(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, end + 1);
    const size_t equals = line.find(" = ");
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    const std::string_view key = line.substr(0, equals);
    if (!lines.empty() && lines.rbegin()->first >= key) return std::nullopt;
    lines.emplace_hint(lines.end(), key, line);
    text.remove_prefix(end + 1);
  }
  return lines;
}

}  // namespace

Result<std::string> WithSettingChanges(std::string_view blob, std::string_view changes) {
  if (changes.empty()) return std::string(blob);
  std::optional<Lines> lines = LinesOf(blob);
  const std::optional<Lines> changed = LinesOf(changes);
  if (!lines || !changed) {
    return Status(Code::kCorruption, std::string(lines ? "changes of settings" : "settings") +
                                         " are not lines `key = value` in the order of their keys");
  }
  for (const auto& [key, line] : *changed) (*lines)[key] = line;
  std::string text;
  for (const auto& [key, line] : *lines) text += line;
  return text;
}

std::optional<std::string> SettingChangesTo(std::string_view blob, std::string_view text) {
  const std::optional<Lines> before = LinesOf(blob), after = LinesOf(text);
  if (!before || !after) return std::nullopt;
  std::string changes;
  size_t kept = 0;
  for (const auto& [key, line] : *after) {
    const auto was = before->find(key);
    kept += was != before->end();
    if (was == before->end() || was->second != line) changes += line;
  }
  if (kept < before->size()) return std::nullopt;
  return changes;
}

}  // namespace stemma::lineage
