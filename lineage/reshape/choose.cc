#include "lineage/reshape/choose.h"

#include <algorithm>

#include "core/text.h"

namespace stemma::lineage {
namespace {

constexpr size_t kPatternBytesMax = 4096;

bool FitsAny(const std::string& text, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&text](const std::string& pattern) { return FitsGlob(text, pattern); });
}

Status CheckPatterns(const char* what, const std::vector<std::string>& patterns,
                     const std::vector<std::string>& names) {
  for (const std::string& pattern : patterns) {
    const bool fits = std::any_of(names.begin(), names.end(), [&pattern](const std::string& name) {
      return FitsGlob(name, pattern);
    });
    if (fits) continue;
    const std::string nearest = Nearest(pattern, names);
    return {Code::kNotFound, std::string("no ") + what + " fits '" + pattern + "'" +
                                 (nearest.empty() ? "" : "; did you mean '" + nearest + "'?")};
  }
  return {};
}

void AddText(const char* word, const std::vector<std::string>& patterns, std::string* text) {
  for (const std::string& pattern : patterns) {
    *text += (text->empty() ? "" : " ") + std::string(word) + " " + pattern;
  }
}

}  // namespace

// Where a pattern fails behind a *, that * takes one character more. Only the last one need be
// tried again: what fitted before it fits as well with the shortest text.
bool FitsGlob(std::string_view text, std::string_view pattern) {
  size_t at = 0, in_pattern = 0, star = pattern.npos, star_end = 0;
  while (at < text.size()) {
    if (in_pattern < pattern.size() && pattern[in_pattern] == '*') {
      star = in_pattern++;
      star_end = at;
    } else if (in_pattern < pattern.size() &&
               (pattern[in_pattern] == '?' || pattern[in_pattern] == text[at])) {
      ++at;
      ++in_pattern;
    } else if (star != pattern.npos) {
      in_pattern = star + 1;
      at = ++star_end;
    } else {
      return false;
    }
  }
  while (in_pattern < pattern.size() && pattern[in_pattern] == '*') ++in_pattern;
  return in_pattern == pattern.size();
}

Result<std::vector<uint32_t>> Choose(const Layout& layout, const Choice& choice) {
  if (ChoiceText(choice).size() > kPatternBytesMax) {
    return Status(Code::kInvalidArgument, "the patterns have more than 4096 bytes: fewer, wider");
  }
  std::vector<std::string> names, sections;
  for (const LayoutSpan& placed : layout.spans()) names.push_back(placed.span.name);
  for (const LayoutSection& section : layout.sections()) sections.push_back(section.name);
  STEMMA_RETURN_IF_ERROR(CheckPatterns("tensor", choice.keep, names));
  STEMMA_RETURN_IF_ERROR(CheckPatterns("tensor", choice.drop, names));
  STEMMA_RETURN_IF_ERROR(CheckPatterns("section", choice.sections, sections));
  std::vector<uint32_t> chosen;
  for (uint32_t i = 0; i < layout.spans().size(); ++i) {
    const Span& span = layout.spans()[i].span;
    if (!choice.keep.empty() && !FitsAny(span.name, choice.keep)) continue;
    if (!choice.sections.empty() && !FitsAny(span.section, choice.sections)) continue;
    if (!FitsAny(span.name, choice.drop)) chosen.push_back(i);
  }
  if (!chosen.empty()) return chosen;
  return Status(Code::kNotFound, "no tensor is left by: " + ChoiceText(choice));
}

std::string ChoiceText(const Choice& choice) {
  std::string text;
  AddText("keep", choice.keep, &text);
  AddText("drop", choice.drop, &text);
  AddText("section", choice.sections, &text);
  return text;
}

}  // namespace stemma::lineage
