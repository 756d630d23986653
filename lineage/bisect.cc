#include "lineage/bisect.h"

#include <algorithm>
#include <optional>
#include <string>

#include "core/bytes.h"
#include "core/check.h"
#include "lineage/graph.h"

namespace stemma::lineage {
namespace {

// Nearest to the middle of (good, bad) that was not skipped; of two, the older.
std::optional<size_t> NextProbe(const std::vector<bool>& skipped, size_t good, size_t bad) {
  const size_t middle = good + (bad - good) / 2;
  for (size_t away = 0; away < bad - good; ++away) {
    if (middle >= good + 1 + away && !skipped[middle - away]) return middle - away;
    if (middle + away < bad && middle + away > good && !skipped[middle + away]) {
      return middle + away;
    }
  }
  return std::nullopt;
}

// From `bad` back to `good`; empty when the walk ends before.
std::vector<StateId> Walk(const Graph& graph, const StateId& good, const StateId& bad) {
  std::vector<StateId> line = {bad};
  while (line.back() != good) {
    const std::optional<StateId> parent = FirstParent(graph, line.back());
    if (!parent || line.size() > graph.states.size()) return {};
    line.push_back(*parent);
  }
  std::reverse(line.begin(), line.end());
  return line;
}

std::string Words(const Graph& graph, const StateId& id) {
  const auto found = graph.states.find(id);
  return found == graph.states.end() ? Hex(id).substr(0, 8) : NameOfState(found->second);
}

}  // namespace

Result<Bisected> Bisect(const std::vector<StateId>& line, const Probe& probe) {
  STEMMA_CHECK(line.size() >= 2, "a line has a good and a bad end");
  size_t good = 0, bad = line.size() - 1;
  std::vector<bool> skipped(line.size(), false);
  Bisected found;
  while (const std::optional<size_t> next = NextProbe(skipped, good, bad)) {
    STEMMA_ASSIGN_OR_RETURN(const Verdict verdict, probe(line[*next]));
    ++found.probes;
    if (verdict == Verdict::kGood) good = *next;
    if (verdict == Verdict::kBad) bad = *next;
    if (verdict == Verdict::kSkip) skipped[*next] = true;
  }
  found.last_good = line[good];
  found.candidates.assign(line.begin() + static_cast<std::ptrdiff_t>(good) + 1,
                          line.begin() + static_cast<std::ptrdiff_t>(bad) + 1);
  return found;
}

size_t ProbesAtMost(size_t states) {
  size_t probes = 0;
  for (size_t inside = states - std::min<size_t>(states, 2); inside > 0; inside /= 2) ++probes;
  return probes;
}

Result<std::vector<StateId>> LineBetween(const Graph& graph, const StateId& good,
                                         const StateId& bad) {
  const std::string a = Words(graph, good), b = Words(graph, bad);
  if (good == bad) {
    return Status(Code::kInvalidArgument, "both ends are " + a + ": nothing lies between");
  }
  std::vector<StateId> line = Walk(graph, good, bad);
  if (!line.empty()) return line;
  if (!Walk(graph, bad, good).empty()) {
    return Status(Code::kInvalidArgument, "the good state " + a + " comes from the bad one " + b +
                                              ": give the older as --good, or turn the question");
  }
  return Status(Code::kInvalidArgument, b + " does not come from " + a +
                                            " along first parents: `stemma log --graph " + b +
                                            "` shows where it comes from");
}

}  // namespace stemma::lineage
