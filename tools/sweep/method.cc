#include "tools/sweep/method.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/check.h"
#include "tools/sweep/methods.h"

namespace stemma::sweep {
namespace {

std::map<std::string, MethodMaker>& Registered() {
  static std::map<std::string, MethodMaker> makers;
  return makers;
}

const std::map<std::string, MethodMaker>& BuiltIn() {
  static const std::map<std::string, MethodMaker> kMakers = {
      {"grid", MakeFixed},      {"random", MakeFixed},      {"sobol", MakeFixed},
      {"halving", MakeHalving}, {"hyperband", MakeHalving}, {"asha", MakeAsha},
      {"pbt", MakePbt},         {"range", MakeRange},
  };
  return kMakers;
}

constexpr char kExternal[] = "external";

bool Same(const Decision& a, const Decision& b) { return EncodeEvent(a) == EncodeEvent(b); }

// What a decision could depend on: all proposals, everything at smaller steps, and of its own step
// the outcomes that it saw.
Result<History> SeenBy(const Decision& decision, const History& history) {
  std::map<std::pair<int64_t, int>, std::vector<Event>> ordered;  // by step, outcomes first
  for (const auto& [point, outcome] : history.outcomes()) {
    const bool saw = std::binary_search(decision.saw.begin(), decision.saw.end(), point);
    if (point.second < decision.step || (point.second == decision.step && saw)) {
      ordered[{point.second, 0}].push_back(outcome);
    }
  }
  for (const auto& [point, earlier] : history.decisions()) {
    if (point.second < decision.step) ordered[{point.second, 1}].push_back(earlier);
  }
  History seen;
  for (const Event& event : history.events()) {
    if (std::holds_alternative<Proposal>(event)) STEMMA_RETURN_IF_ERROR(seen.Add(event));
  }
  for (const auto& [key, events] : ordered) {
    for (const Event& event : events) STEMMA_RETURN_IF_ERROR(seen.Add(event));
  }
  return seen;
}

}  // namespace

void RegisterMethod(const std::string& name, MethodMaker make) {
  const bool taken = name == kExternal || BuiltIn().count(name) > 0;
  STEMMA_CHECK(!taken && Registered().emplace(name, std::move(make)).second,
               "two methods of sweeps are called " + name);
}

std::vector<std::string> MethodNames() {
  std::vector<std::string> names = {kExternal};
  for (const auto& [name, make] : BuiltIn()) names.push_back(name);
  for (const auto& [name, make] : Registered()) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::unique_ptr<Method>> MakeMethod(const SweepSpec& spec, const Base& base,
                                           CommandRunner runner) {
  if (spec.method == kExternal) return MakeExternal(spec, base, std::move(runner));
  const auto built_in = BuiltIn().find(spec.method);
  if (built_in != BuiltIn().end()) return built_in->second(spec, base);
  const auto registered = Registered().find(spec.method);
  if (registered != Registered().end()) return registered->second(spec, base);
  return Status(Code::kInvalidArgument, spec.file + ": no method is called '" + spec.method + "'");
}

bool Better(const std::string& goal, const Outcome& a, const Outcome& b) {
  const bool finite_a = std::isfinite(a.metric), finite_b = std::isfinite(b.metric);
  if (finite_a != finite_b) return finite_a;
  if (finite_a && a.metric != b.metric) return (a.metric < b.metric) == (goal == "min");
  return a.trial < b.trial;
}

const Outcome* Winner(const std::string& goal, const History& history) {
  const Outcome* best = nullptr;
  for (const auto& [point, outcome] : history.outcomes()) {
    const bool comparable =
        best != nullptr && std::isfinite(outcome.metric) == std::isfinite(best->metric);
    const bool farther = comparable && outcome.step != best->step;
    if (!best || (farther ? outcome.step > best->step : Better(goal, outcome, *best))) {
      best = &outcome;
    }
  }
  return best;
}

Status Replay(const Method& method, const History& history) {
  for (const auto& [point, recorded] : history.decisions()) {
    STEMMA_ASSIGN_OR_RETURN(const History seen, SeenBy(recorded, history));
    STEMMA_ASSIGN_OR_RETURN(const std::vector<Decision> taken, method.Decide(seen));
    const auto same = [&](const Decision& one) { return Same(one, recorded); };
    if (std::any_of(taken.begin(), taken.end(), same)) continue;
    return {Code::kCorruption, "the decision on trial " + std::to_string(point.first) +
                                   " at step " + std::to_string(point.second) + ", " +
                                   DecisionName(recorded.kind) +
                                   ", does not follow from the outcomes that it saw"};
  }
  return {};
}

}  // namespace stemma::sweep
