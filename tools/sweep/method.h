// How a sweep chooses: which trials to begin, and what becomes of a trial whose outcome is known.
//
//   STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<Method> method, MakeMethod(spec, base));
//   STEMMA_ASSIGN_OR_RETURN(const auto decisions, method->Decide(history));   // record them first
//   STEMMA_ASSIGN_OR_RETURN(const auto trials, method->Propose(history, free_slots));
//
// A method is a constant function of the spec and the recorded history: it keeps nothing between
// calls. Decide() answers for every outcome that has no decision yet and can be decided now; asked
// again before they are recorded it says the same. What a decision depended on is in its `saw`,
// and Replay() checks it. A sweep is over when nothing runs, nothing is decided and nothing is
// proposed.
//
// A method of one's own: derive, and register it under a name before the spec is read,
//
//   RegisterMethod("mine", [](const SweepSpec& spec, const Base& base) { ... });
//
// or, in any language, method = "external" (external.h). Failure: kInvalidArgument for parameters
// that make no sense. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "tools/sweep/base.h"
#include "tools/sweep/history.h"
#include "tools/sweep/spec.h"

namespace stemma::sweep {

class Method {
 public:
  virtual ~Method() = default;

  // Trials to begin now, ids going on from the history's. `free_slots`: how many could run at once
  // beside what runs already; methods that know all their trials in advance give all of them at
  // the first call, so that common prefixes are found.
  virtual Result<std::vector<Trial>> Propose(const History& history, int64_t free_slots) const = 0;
  // Decisions that are due and not recorded, ascending by trial.
  virtual Result<std::vector<Decision>> Decide(const History& history) const = 0;
};

// Runs a command with `input` on its stdin and returns its stdout: for method = external. The
// controller has one; without it such a spec is refused.
using CommandRunner =
    std::function<Result<std::string>(const std::string& command, const std::string& input)>;

using MethodMaker =
    std::function<Result<std::unique_ptr<Method>>(const SweepSpec& spec, const Base& base)>;

// Before any thread starts. A name that is taken is our mistake.
void RegisterMethod(const std::string& name, MethodMaker make);
// grid, random, sobol, halving, hyperband, asha, pbt, range, external, and registered ones.
std::vector<std::string> MethodNames();
Result<std::unique_ptr<Method>> MakeMethod(const SweepSpec& spec, const Base& base,
                                           CommandRunner runner = {});

// Whether a is better than b for the goal, "min" or "max"; what is not finite is worst, and of
// equals the smaller trial is better, so that there is always one order.
bool Better(const std::string& goal, const Outcome& a, const Outcome& b);
// The best outcome at the largest step that any trial reached with a finite metric; null: none is
// recorded. Not finite only where all are.
const Outcome* Winner(const std::string& goal, const History& history);

// Takes each recorded decision again from what it saw. kCorruption names the first that differs.
Status Replay(const Method& method, const History& history);

}  // namespace stemma::sweep
