// Trains stages: what the controller hands work to, and what it hears of. Child processes
// (process_executor.h) do it for people; a test brings one that trains a toy.
//
//   STEMMA_RETURN_IF_ERROR(executor.Start({"lr-3fa94c1b07", recipe, 400, 2}));
//   STEMMA_ASSIGN_OR_RETURN(const std::vector<Ended> ended, executor.Wait(5));
//
// A job trains its run to `end` and leaves a state there. What it reached is read from the store,
// not from here: an executor may forget all it knows and nothing is lost. Starting a job whose
// run another process still trains is safe, as the store fences the older one (lineage/store.h).
//
// Owner: the controller, which calls from one thread. Failure of a training is an Ended, never an
// error; an error means that nothing can be started here.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::sweep {

struct Job {
  std::string run;     // it is there, with its settings, unless `recipe` is given
  std::string recipe;  // TOML of a run that begins at step 0; "": a fork
  int64_t end = 0;     // the step whose state is wanted
  int64_t ranks = 1;
  std::string after;  // the run whose newest state it begins with, for who has that in memory; ""
};

enum class How {
  kStopped,   // in order: at its end, or because it was asked to
  kDiverged,  // a loss or gradient that is not finite: the same again if tried again
  kRefused,   // the command makes no sense: the same again
  kDisk,      // the disk refused, which says nothing of what was trained
  kCrashed,   // anything else: may go well from the last state
};

struct Ended {
  std::string run;
  How how = How::kCrashed;
  std::string why;     // of what went wrong, a line or a few
  double seconds = 0;  // from Start() to its end
};

// What a run's steps took, in seconds of its slowest rank, over all its processes so far.
struct Work {
  double once = 0;     // of each step, the last time it was done
  double all = 0;      // of all steps that were done, also those done again
  double capture = 0;  // of `once`, what captures held it up
};

class Executor {
 public:
  virtual ~Executor() = default;
  virtual Status Start(const Job& job) = 0;
  // Jobs that ended; waits up to `seconds` for the first.
  virtual Result<std::vector<Ended>> Wait(double seconds) = 0;
  // Asks all to save and stop; Wait() says when they did.
  virtual void Stop() = 0;
  // Runs whose newest state somebody who is idle has in memory: what goes on from one begins
  // sooner.
  virtual std::set<std::string> InMemory() const { return {}; }
  // Zeros where nothing is known.
  virtual Work Measure(const std::string& run) const = 0;
};

}  // namespace stemma::sweep
