// Everything that follows from a spec and what was recorded: the tree of stages and what to do
// next. What the controller runs and what `stemma sweep plan` prints.
//
//   STEMMA_ASSIGN_OR_RETURN(StageTree tree, TreeOf(spec, base, history));
//   for (id : finished in the store, by stage key) tree.Done(id);
//   STEMMA_ASSIGN_OR_RETURN(std::vector<Event> events, NextEvents(*method, history, free_slots));
//   ... record each, history.Add(event), then TreeOf again ...
//
// Pure functions. Failure as Method and StageTree.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/status.h"
#include "tools/sweep/history.h"
#include "tools/sweep/method.h"
#include "tools/sweep/stage_tree.h"

namespace stemma::sweep {

// The tree after all of the history's proposals and decisions, in their order. No stage is done.
Result<StageTree> TreeOf(const SweepSpec& spec, const Base& base, const History& history);

// Decisions that are due, or else the next proposal, or nothing: then the sweep waits for what
// runs, and is over when nothing does.
Result<std::vector<Event>> NextEvents(const Method& method, const History& history,
                                      int64_t free_slots);

// The name of the run that trains a stage: the sweep's, a dot and 12 digits of the key. The same
// stage has the same name in every attempt, so a finished one is found again.
std::string RunName(const SweepSpec& spec, const Stage& stage);

// A whole sweep as it would go if trials came to these metrics: outcomes arrive one by one, those
// of smaller steps first, with `spec.slots` trials at once. For forecasts and tests.
using Curve = std::function<double(const Trial& trial, int64_t step)>;
Result<History> Rehearse(const SweepSpec& spec, const Method& method, const Curve& curve);

}  // namespace stemma::sweep
