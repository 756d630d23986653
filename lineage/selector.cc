#include <algorithm>
#include <cctype>
#include <set>

#include "core/bytes.h"
#include "core/text.h"
#include "lineage/graph.h"
#include "lineage/store.h"

namespace stemma::lineage {
namespace {

constexpr size_t kTextMax = 512;
constexpr size_t kPrefixMin = 8;
constexpr size_t kListedMax = 8;

std::string Quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

std::string ShortId(const StateId& id) { return Hex(id).substr(0, 2 * kPrefixMin); }

bool IsHex(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isxdigit(c) != 0; });
}

// Decimal digits only, at most 18 of them; -1 for anything else.
int64_t Number(std::string_view text) {
  if (text.empty() || text.size() > 18) return -1;
  int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    value = 10 * value + (c - '0');
  }
  return value;
}

std::string ListOf(const Graph& graph, const std::vector<StateId>& ids) {
  std::string text;
  for (size_t i = 0; i < ids.size() && i < kListedMax; ++i) {
    const Record& record = graph.states.at(ids[i]);
    text += (i ? ", " : "") + ShortId(ids[i]) + " (" + NameOfState(record) + ", incarnation " +
            std::to_string(record.incarnation) + ")";
  }
  if (ids.size() > kListedMax) text += ", and " + std::to_string(ids.size() - kListedMax) + " more";
  return text;
}

template <typename Map>
std::vector<std::string> KeysOf(const Map& map) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : map) keys.push_back(key);
  return keys;
}

// "; did you mean 'x'?", or what there is, or that there is nothing.
std::string Hint(std::string_view text, const std::vector<std::string>& names, const char* kind) {
  const std::string nearest = Nearest(text, names);
  if (!nearest.empty()) return "; did you mean " + Quoted(nearest) + "?";
  if (names.empty()) return std::string("; this store has no ") + kind;
  std::string list = std::string("; there ") + (names.size() == 1 ? "is " : "are ");
  for (size_t i = 0; i < names.size() && i < kListedMax; ++i) list += (i ? ", " : "") + names[i];
  return list + (names.size() > kListedMax ? ", ..." : "");
}

Result<const RunEntry*> FindRun(const Graph& graph, std::string_view name) {
  const auto found = graph.runs.find(std::string(name));
  if (found != graph.runs.end()) return &found->second;
  return Status(Code::kNotFound,
                "no run is called " + Quoted(name) + Hint(name, KeysOf(graph.runs), "runs"));
}

Result<StateId> HeadOf(const RunEntry& run) {
  if (run.head) return *run.head;
  return Status(Code::kNotFound, "run " + Quoted(run.name) + " has no state yet" +
                                     (run.states.empty() ? "" : " that may be its head"));
}

// Where a person who asked for a step that is not there may want to go.
std::string Neighbours(const Graph& graph, const RunEntry& run, int64_t step) {
  const Record* below = nullptr;
  const Record* above = nullptr;
  for (const StateId& id : run.states) {
    const Record& record = graph.states.at(id);
    if (record.step <= step && (!below || record.step > below->step)) below = &record;
    if (record.step > step && (!above || record.step < above->step)) above = &record;
  }
  if (!below && !above) return "; the run has no state yet";
  if (below && above) {
    return "; its neighbours are " + NameOfState(*below) + " and " + NameOfState(*above);
  }
  if (below) return "; the last before it is " + NameOfState(*below);
  std::string text = "; the first is " + NameOfState(*above);
  for (const Edge& edge : above->parents) {
    const auto parent = graph.states.find(edge.parent);
    if (parent == graph.states.end() || parent->second.run == above->run) continue;
    text += ", forked from " + NameOfState(parent->second);
  }
  return text;
}

// The main line wins over side branches, the newer over the older.
Result<StateId> AtStep(const Graph& graph, const RunEntry& run, int64_t step, bool or_before) {
  for (const StateId& id : MainLine(graph, run)) {
    const int64_t have = graph.states.at(id).step;
    if (have == step || (or_before && have < step)) return id;
  }
  std::vector<StateId> beside;
  for (const StateId& id : SideBranches(graph, run)) {
    if (graph.states.at(id).step == step) beside.push_back(id);
  }
  if (beside.size() == 1) return beside.front();
  const std::string what = run.name + (or_before ? "@<=" : "@") + std::to_string(step);
  if (beside.empty()) {
    return Status(Code::kNotFound, "no state is " + what + Neighbours(graph, run, step));
  }
  return Status(Code::kInvalidArgument, what +
                                            " names several states beside the run's main line: " +
                                            ListOf(graph, beside) + "; use an id");
}

Result<StateId> ByPosition(const Graph& graph, std::string_view name, std::string_view position) {
  STEMMA_ASSIGN_OR_RETURN(const RunEntry* run, FindRun(graph, name));
  if (position.empty()) return HeadOf(*run);
  const bool or_before = position.substr(0, 2) == "<=";
  const int64_t step = Number(position.substr(or_before ? 2 : 0));
  if (step < 0) {
    return Status(Code::kInvalidArgument, "'@" + std::string(position) + "' is no step; write " +
                                              std::string(name) + "@200, " + std::string(name) +
                                              "@<=200 or " + std::string(name) +
                                              "@ for the newest");
  }
  return AtStep(graph, *run, step, or_before);
}

Result<StateId> ByTag(const Graph& graph, std::string_view name) {
  const auto found = graph.tags.find(std::string(name));
  if (found == graph.tags.end()) {
    return Status(Code::kNotFound,
                  "no tag is called " + Quoted(name) + Hint(name, KeysOf(graph.tags), "tags"));
  }
  if (graph.states.count(found->second.target)) return found->second.target;
  return Status(Code::kNotFound, "tag " + Quoted(name) + " names state " +
                                     ShortId(found->second.target) +
                                     ", which no log of this store holds; run fsck");
}

Result<StateId> ByPrefix(const Graph& graph, std::string_view text) {
  std::string prefix(text);
  std::transform(prefix.begin(), prefix.end(), prefix.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::vector<StateId> matches;
  const std::string from = FromHex(prefix.substr(0, prefix.size() / 2 * 2));
  for (auto it = graph.states.lower_bound(from); it != graph.states.end(); ++it) {
    if (it->first.compare(0, from.size(), from) != 0) break;
    if (Hex(it->first).compare(0, prefix.size(), prefix) == 0) matches.push_back(it->first);
  }
  if (matches.size() == 1) return matches.front();
  if (matches.empty()) return Status(Code::kNotFound, "no state's id begins with " + Quoted(text));
  return Status(Code::kInvalidArgument,
                Quoted(text) + " begins the ids of several states: " + ListOf(graph, matches));
}

Result<StateId> Base(const Graph& graph, std::string_view text) {
  if (text.substr(0, 4) == "tag:") return ByTag(graph, text.substr(4));
  const size_t at = text.find('@');
  if (at != std::string_view::npos) {
    return ByPosition(graph, text.substr(0, at), text.substr(at + 1));
  }
  const auto run = graph.runs.find(std::string(text));
  if (run != graph.runs.end()) return HeadOf(run->second);
  if (graph.tags.count(std::string(text))) {
    return Status(Code::kNotFound, "no run is called " + Quoted(text) +
                                       "; for the tag write tag:" + std::string(text));
  }
  if (!IsHex(text)) return FindRun(graph, text).status();
  if (text.size() >= kPrefixMin && text.size() <= 64) return ByPrefix(graph, text);
  return Status(Code::kInvalidArgument,
                Quoted(text) + " is no run, and an id needs 8 to 64 digits");
}

Result<StateId> Back(const Graph& graph, StateId id, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const std::optional<StateId> parent = FirstParent(graph, id);
    if (!parent) {
      return Status(Code::kNotFound, NameOfState(graph.states.at(id)) + " has no parent: only " +
                                         std::to_string(i) +
                                         " states lie before the one you named");
    }
    id = *parent;
  }
  return id;
}

}  // namespace

Result<StateId> Resolve(const Graph& graph, std::string_view text) {
  if (text.empty() || text.size() > kTextMax) {
    return Status(Code::kInvalidArgument,
                  "a state is named by run@step, run@, run@<=step, run@~n, tag:name or an id");
  }
  const size_t tilde = text.rfind('~');
  if (tilde == std::string_view::npos) return Base(graph, text);
  const std::string_view digits = text.substr(tilde + 1);
  const int64_t count = digits.empty() ? 1 : Number(digits);
  if (count < 0) {
    return Status(Code::kInvalidArgument, "'~" + std::string(digits) + "' is no number of states");
  }
  STEMMA_ASSIGN_OR_RETURN(const StateId from, Resolve(graph, text.substr(0, tilde)));
  return Back(graph, from, count);
}

}  // namespace stemma::lineage
