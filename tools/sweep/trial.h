// One member of a sweep: what is set from which step on, and how far it goes first. Rungs extend
// it, an exploit replaces its past by another's. Its whole schedule is in `parts`, so the winner's
// path is read off them: `parts` set one after the other in one uninterrupted run are the trial.
//
//   Trial{3, {{0, {{"optim.lr", "0.1"}}}, {200, {{"optim.lr", "0.08"}}}}, 400}
//
// Plain data. Steps are absolute: those of the run, counted from the start of training.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace stemma::sweep {

using TrialId = int64_t;  // 0, 1, 2, ... in the order they were proposed

// key -> value as --set takes it. Every knob of the sweep is there.
using Knobs = std::map<std::string, std::string>;

struct Part {
  int64_t begin = 0;  // holds from this step to the next part's
  Knobs knobs;
};

struct Trial {
  TrialId id = 0;
  std::vector<Part> parts;  // ascending; the first begins where the base is
  int64_t until = 0;        // the step at which it is judged next, or is over
  // Up to this step it is another trial's past, taken over by an exploit: those stages were paid
  // for by that trial, and are not counted as saved. 0: all of it is its own.
  int64_t inherited = 0;
  int64_t bracket = 0;  // hyperband: which of the brackets it belongs to
};

}  // namespace stemma::sweep
