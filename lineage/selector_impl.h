// How words name one state, for every form of the family tree: a Graph (selector.cc) and an Index
// (query/states.cc) read and answer alike, down to the text of an error. Internal to lineage/.
//
//   Selector<GraphTree>(GraphTree(graph)).Resolve("base@<=400~2")
//
// A Tree is a small adaptor by value:
//   State, Run, Tag                        cheap handles; Run and Tag are named by pointers
//   FindRun, FindTag                       by name; nullptr: none
//   RunNames, TagNames                     for hints
//   RunName, HeadOf, StatesOf, MainLineOf, SideBranchesOf, IsOf(state, run)
//   IdOf, NameOf, StepOf, IncarnationOf, ParentsOf, FirstParentOf
//   WithPrefix(raw bytes)                  states whose id begins so
//   TargetOf(tag), TargetText(tag)         where a tag points; how to speak of it when it is lost
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/status.h"
#include "core/text.h"
#include "lineage/record.h"

namespace stemma::lineage::internal {

constexpr size_t kSelectorMax = 512;
constexpr size_t kPrefixMin = 8;
constexpr size_t kListedMax = 8;

inline std::string Quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

inline std::string ShortId(const StateId& id) { return Hex(id).substr(0, 2 * kPrefixMin); }

inline bool IsHex(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isxdigit(c) != 0; });
}

// Decimal digits only, at most 18 of them; -1 for anything else.
inline int64_t CountOf(std::string_view text) {
  if (text.empty() || text.size() > 18) return -1;
  int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    value = 10 * value + (c - '0');
  }
  return value;
}

// "; did you mean 'x'?", or what there is, or that there is nothing.
inline std::string Hint(std::string_view text, const std::vector<std::string>& names,
                        const char* kind) {
  const std::string nearest = Nearest(text, names);
  if (!nearest.empty()) return "; did you mean " + Quoted(nearest) + "?";
  if (names.empty()) return std::string("; this store has no ") + kind;
  std::string list = std::string("; there ") + (names.size() == 1 ? "is " : "are ");
  for (size_t i = 0; i < names.size() && i < kListedMax; ++i) list += (i ? ", " : "") + names[i];
  return list + (names.size() > kListedMax ? ", ..." : "");
}

template <typename Tree>
class Selector {
 public:
  using State = typename Tree::State;
  using Run = typename Tree::Run;
  using Tag = typename Tree::Tag;

  explicit Selector(Tree tree) : tree_(std::move(tree)) {}

  Result<State> Resolve(std::string_view text) const {
    if (text.empty() || text.size() > kSelectorMax) {
      return Status(Code::kInvalidArgument,
                    "a state is named by run@step, run@, run@<=step, run@~n, tag:name or an id");
    }
    const size_t tilde = text.rfind('~');
    if (tilde == std::string_view::npos) return Base(text);
    const std::string_view digits = text.substr(tilde + 1);
    const int64_t count = digits.empty() ? 1 : CountOf(digits);
    if (count < 0) {
      return Status(Code::kInvalidArgument,
                    "'~" + std::string(digits) + "' is no number of states");
    }
    STEMMA_ASSIGN_OR_RETURN(const State from, Resolve(text.substr(0, tilde)));
    return Back(from, count);
  }

  Result<const Run*> FindRun(std::string_view name) const {
    if (const Run* run = tree_.FindRun(name)) return run;
    return Status(Code::kNotFound,
                  "no run is called " + Quoted(name) + Hint(name, tree_.RunNames(), "runs"));
  }

  // "5be1c07d5be1c07d (base@100, incarnation 1), ...", the first eight.
  std::string ListOf(const std::vector<State>& states) const {
    std::string text;
    for (size_t i = 0; i < states.size() && i < kListedMax; ++i) {
      text += (i ? ", " : "") + ShortId(tree_.IdOf(states[i])) + " (" + tree_.NameOf(states[i]) +
              ", incarnation " + std::to_string(tree_.IncarnationOf(states[i])) + ")";
    }
    if (states.size() > kListedMax) {
      text += ", and " + std::to_string(states.size() - kListedMax) + " more";
    }
    return text;
  }

 private:
  Result<State> HeadOf(const Run& run) const {
    if (const std::optional<State> head = tree_.HeadOf(run)) return *head;
    return Status(Code::kNotFound,
                  "run " + Quoted(tree_.RunName(run)) + " has no state yet" +
                      (tree_.StatesOf(run).empty() ? "" : " that may be its head"));
  }

  // Where a person who asked for a step that is not there may want to go.
  std::string Neighbours(const Run& run, int64_t step) const {
    std::optional<State> below, above;
    for (const State& state : tree_.StatesOf(run)) {
      const int64_t have = tree_.StepOf(state);
      if (have <= step && (!below || have > tree_.StepOf(*below))) below = state;
      if (have > step && (!above || have < tree_.StepOf(*above))) above = state;
    }
    if (!below && !above) return "; the run has no state yet";
    if (below && above) {
      return "; its neighbours are " + tree_.NameOf(*below) + " and " + tree_.NameOf(*above);
    }
    if (below) return "; the last before it is " + tree_.NameOf(*below);
    std::string text = "; the first is " + tree_.NameOf(*above);
    for (const State& parent : tree_.ParentsOf(*above)) {
      if (!tree_.IsOf(parent, run)) text += ", forked from " + tree_.NameOf(parent);
    }
    return text;
  }

  // The main line wins over side branches, the newer over the older.
  Result<State> AtStep(const Run& run, int64_t step, bool or_before) const {
    for (const State& state : tree_.MainLineOf(run)) {
      const int64_t have = tree_.StepOf(state);
      if (have == step || (or_before && have < step)) return state;
    }
    std::vector<State> beside;
    for (const State& state : tree_.SideBranchesOf(run)) {
      if (tree_.StepOf(state) == step) beside.push_back(state);
    }
    if (beside.size() == 1) return beside.front();
    const std::string what =
        std::string(tree_.RunName(run)) + (or_before ? "@<=" : "@") + std::to_string(step);
    if (beside.empty()) {
      return Status(Code::kNotFound, "no state is " + what + Neighbours(run, step));
    }
    return Status(Code::kInvalidArgument,
                  what + " names several states beside the run's main line: " + ListOf(beside) +
                      "; use an id");
  }

  Result<State> ByPosition(std::string_view name, std::string_view position) const {
    STEMMA_ASSIGN_OR_RETURN(const Run* run, FindRun(name));
    if (position.empty()) return HeadOf(*run);
    const bool or_before = position.substr(0, 2) == "<=";
    const int64_t step = CountOf(position.substr(or_before ? 2 : 0));
    if (step >= 0) return AtStep(*run, step, or_before);
    return Status(Code::kInvalidArgument, "'@" + std::string(position) + "' is no step; write " +
                                              std::string(name) + "@200, " + std::string(name) +
                                              "@<=200 or " + std::string(name) +
                                              "@ for the newest");
  }

  Result<State> ByTag(std::string_view name) const {
    const Tag* tag = tree_.FindTag(name);
    if (!tag) {
      return Status(Code::kNotFound,
                    "no tag is called " + Quoted(name) + Hint(name, tree_.TagNames(), "tags"));
    }
    if (const std::optional<State> target = tree_.TargetOf(*tag)) return *target;
    return Status(Code::kNotFound, "tag " + Quoted(name) + " names " + tree_.TargetText(*tag) +
                                       ", which no log of this store holds; run fsck");
  }

  Result<State> ByPrefix(std::string_view text) const {
    std::string prefix(text);
    std::transform(prefix.begin(), prefix.end(), prefix.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    std::vector<State> matches;
    for (const State& state : tree_.WithPrefix(FromHex(prefix.substr(0, prefix.size() / 2 * 2)))) {
      if (Hex(tree_.IdOf(state)).compare(0, prefix.size(), prefix) == 0) matches.push_back(state);
    }
    if (matches.size() == 1) return matches.front();
    if (matches.empty()) {
      return Status(Code::kNotFound, "no state's id begins with " + Quoted(text));
    }
    return Status(Code::kInvalidArgument,
                  Quoted(text) + " begins the ids of several states: " + ListOf(matches));
  }

  Result<State> Base(std::string_view text) const {
    if (text.substr(0, 4) == "tag:") return ByTag(text.substr(4));
    const size_t at = text.find('@');
    if (at != std::string_view::npos) return ByPosition(text.substr(0, at), text.substr(at + 1));
    if (const Run* run = tree_.FindRun(text)) return HeadOf(*run);
    if (tree_.FindTag(text)) {
      return Status(Code::kNotFound, "no run is called " + Quoted(text) +
                                         "; for the tag write tag:" + std::string(text));
    }
    if (!IsHex(text)) return FindRun(text).status();
    if (text.size() >= kPrefixMin && text.size() <= 64) return ByPrefix(text);
    return Status(Code::kInvalidArgument,
                  Quoted(text) + " is no run, and an id needs 8 to 64 digits");
  }

  Result<State> Back(State state, int64_t count) const {
    for (int64_t i = 0; i < count; ++i) {
      const std::optional<State> parent = tree_.FirstParentOf(state);
      if (!parent) {
        return Status(Code::kNotFound, tree_.NameOf(state) + " has no parent: only " +
                                           std::to_string(i) +
                                           " states lie before the one you named");
      }
      state = *parent;
    }
    return state;
  }

  Tree tree_;
};

}  // namespace stemma::lineage::internal
