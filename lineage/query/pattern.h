// Regular expressions without backtracking: whether a text contains a match is found in time
// proportional to the pattern's length times the text's, whatever both are. std::regex takes
// exponential time for patterns such as (a*)*b, and its recursion is as deep as the text is long.
//
//   STEMMA_ASSIGN_OR_RETURN(const Pattern pattern, Pattern::Compile("^lamb-[0-9]+$"));
//   uint64_t steps = 0;
//   pattern.IsIn("lamb-12", &steps)        true
//
//   x   .   [a-z_]   [^,]   \d \w \s \D \W \S   \. and so on   ^   $   (...)   |   *   +   ?
//
// Counts {2,5}, back-references and look-ahead are refused by name. Bytes are matched, so `.` is
// one byte of UTF-8. Source: Thompson, "Regular expression search algorithm", CACM 11(6), 1968.
// Immutable; any thread.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace stemma::lineage::query {

constexpr size_t kPatternMax = 256;  // bytes

class Pattern {
 public:
  // One instruction of the automaton. Targets are relative to it.
  struct Step {
    enum class Kind : uint8_t { kBytes, kSplit, kJump, kBegin, kEnd, kMatch };
    Kind kind = Kind::kMatch;
    int first = 1, second = 1;
    std::bitset<256> bytes;
  };

  // kInvalidArgument with the place in the pattern.
  static Result<Pattern> Compile(std::string_view text);

  // Anywhere in `text`, unless ^ and $ say otherwise. Adds the work done to `steps`.
  bool IsIn(std::string_view text, uint64_t* steps) const;

  size_t size() const { return program_.size(); }  // at most this many steps a byte, twice

 private:
  explicit Pattern(std::vector<Step> program) : program_(std::move(program)) {}

  std::vector<Step> program_;
};

}  // namespace stemma::lineage::query
