// One training step over many ranks, event by event, many times over: when each rank has its input,
// how long it computes, when the last rank's part of a bucket is there and the network is free, and
// when the optimizer may begin.
//
//   Scenario scenario;
//   scenario.ranks = 6144;
//   STEMMA_ASSIGN_OR_RETURN(Prediction p, Simulate(summit, aigw, scenario, {1, 1000, 2}));
//   p.step_s.p50, p.step_s.p10, p.step_s.p90
//
//   input     a rank's loader makes batches one after the other, up to `prefetch` ahead; a batch
//   takes
//             max(bytes / share of the storage, bytes / decoding), and `wait_us` on top is not
//             hidden
//   compute   fixed + per_sample * batch, less the optimizer's pass, times the rank's jitter
//   calls     bucket k begins when every rank has it and call k-1 is over: max over ranks, drawn
//   and
//             not averaged; without overlap no rank has any before its backward ends
//   optimizer bytes per parameter over the memory's rate; sharded: /N, and what was reduced is
//             gathered as bytes of another half call
//   captures  what copying holds the training up, and writing that is slower than the period
//
// A draw takes every constant from its range once (constant.h) and every rank's jitter anew in each
// step; half of the draws give jitter a normal tail and half an exponential one, so the interval
// covers both. Equal seeds give equal results on any number of threads: draw d's numbers are
// functions of (seed, d). Memory: two numbers per rank and thread.
//
// Failure: kInvalidArgument for a scenario that makes no sense, kNotFound when the system does not
// know the model's compute time. Thread-safe: nothing is shared.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "tools/scale/collective.h"
#include "tools/scale/statistics.h"
#include "tools/scale/system.h"
#include "tools/scale/workload.h"

namespace stemma::scale {

enum class Tail { kNormal, kExponential };
enum class Staging { kShared, kLocal };  // where input lies after the first epoch

struct Scenario {
  int ranks = 1;
  int64_t local_batch = 0;  // 0: the workload's
  Algorithm algorithm = Algorithm::kAuto;
  bool overlap = true;
  bool sharded = false;
  Staging staging = Staging::kShared;
  int prefetch = 2;
  int64_t capture_every = 0;  // steps; 0: never
  double epochs = 0;          // 0: the workload's
  bool extrapolate = false;   // epochs outside MLPerf's points
};

struct Sampling {
  uint64_t seed = 1;
  int draws = 1000;
  int threads = 2;
};

// Seconds; the sum is the step.
struct Breakdown {
  double input = 0, compute = 0, straggler = 0, exposed_calls = 0, optimizer = 0, capture = 0,
         control = 0;
  double Sum() const {
    return input + compute + straggler + exposed_calls + optimizer + capture + control;
  }
};

struct Share {
  std::string name;    // of a constant of the system, or which tail stragglers have
  double percent = 0;  // of the variance of the step's time
};

struct Prediction {
  Scenario scenario;  // with what was 0 filled in
  int nodes = 1;
  double epochs = 0;  // 0: refused, a flag says why
  Quantiles step_s, samples_per_s, epoch_s, total_s;
  Breakdown mean;
  double capture_gb_s = 0;            // that captures put on the storage, on average
  double first_epoch_input_gb_s = 0;  // that all ranks together read
  Choice first_call, last_call;       // what the first and the last bucket are sent by
  std::vector<Share> shares;          // largest first
  std::vector<std::string> flags;
};

Result<Prediction> Simulate(const System& system, const Workload& workload,
                            const Scenario& scenario, const Sampling& sampling);

// The same step without a draw: every constant at its value, the slowest of the ranks at its
// expectation. What fits and shares of variance are computed with.
Result<Breakdown> ExpectedStep(const System& system, const Workload& workload,
                               const Scenario& scenario, Tail tail);

}  // namespace stemma::scale
