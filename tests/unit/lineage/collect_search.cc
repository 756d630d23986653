#include "tests/unit/lineage/collect_search.h"

#include <algorithm>
#include <cstring>

namespace stemma::lineage::collect_model {
namespace {

bool Same(const State& a, const State& b) { return std::memcmp(&a, &b, sizeof(State)) == 0; }

uint64_t HashOf(const State& state) {
  uint64_t words[sizeof(State) / 8];
  std::memcpy(words, &state, sizeof(State));
  uint64_t hash = 0x9e3779b97f4a7c15U;
  for (const uint64_t word : words) {
    hash = (hash ^ word) * 0xff51afd7ed558ccdU;
    hash ^= hash >> 32;
  }
  return hash;
}

// The states visited, numbered in the order of discovery, each with the one it was found from.
class Visited {
 public:
  Visited() : slots_(1 << 12, kFree) {}

  // False if it was there.
  bool Add(const State& state, uint32_t parent) {
    if (2 * states_.size() >= slots_.size()) Grow();
    uint32_t& slot = Slot(state);
    if (slot != kFree) return false;
    slot = static_cast<uint32_t>(states_.size());
    states_.push_back(state);
    parents_.push_back(parent);
    return true;
  }
  size_t size() const { return states_.size(); }
  State At(size_t index) const { return states_[index]; }
  uint32_t ParentOf(size_t index) const { return parents_[index]; }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;

  uint32_t& Slot(const State& state) {
    size_t at = HashOf(state) & (slots_.size() - 1);
    while (slots_[at] != kFree && !Same(states_[slots_[at]], state)) {
      at = (at + 1) & (slots_.size() - 1);
    }
    return slots_[at];
  }
  void Grow() {
    slots_.assign(2 * slots_.size(), kFree);
    for (uint32_t i = 0; i < states_.size(); ++i) Slot(states_[i]) = i;
  }

  std::vector<State> states_;
  std::vector<uint32_t> parents_;
  std::vector<uint32_t> slots_;
};

// The steps that lead to state number `index`, told again by taking them again.
std::vector<std::string> TraceOf(const Rules& rules, const Cast& cast, const Visited& visited,
                                 size_t index) {
  std::vector<std::string> trace;
  std::vector<Step> steps;
  for (; index != 0; index = visited.ParentOf(index)) {
    steps.clear();
    AppendSteps(rules, cast, visited.At(visited.ParentOf(index)), &steps);
    const State to = visited.At(index);
    const auto taken = std::find_if(steps.begin(), steps.end(),
                                    [&](const Step& step) { return Same(step.state, to); });
    trace.push_back(std::string(taken->actor) + " " + taken->what);
  }
  std::reverse(trace.begin(), trace.end());
  return trace;
}

}  // namespace

Found Explore(const Rules& rules, const Cast& cast, bool only_i1, size_t most_states) {
  Found found;
  Visited visited;
  visited.Add(Initial(cast), 0);
  std::vector<Step> steps;
  for (size_t i = 0; i < visited.size(); ++i) {
    steps.clear();
    AppendSteps(rules, cast, visited.At(i), &steps);
    found.steps += steps.size();
    for (const Step& step : steps) {
      if (!visited.Add(step.state, static_cast<uint32_t>(i))) continue;
      const char* broken = Broken(rules, cast, step.state, only_i1);
      if (broken == nullptr) continue;
      found.states = visited.size();
      found.broken = broken;
      found.trace = TraceOf(rules, cast, visited, visited.size() - 1);
      return found;
    }
    found.states = visited.size();
    if (found.states > most_states) return found;
  }
  found.complete = true;
  return found;
}

}  // namespace stemma::lineage::collect_model
