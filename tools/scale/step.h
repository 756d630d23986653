// What a step of simulate.h is made of, for one set of values of the constants: the deterministic
// part of it. Seconds and bytes. Plain values, made anew for every draw.
#pragma once

#include <vector>

#include "tools/scale/simulate.h"

namespace stemma::scale {

struct StepPlan {
  std::vector<double> ready_s;  // of bucket k on an undisturbed rank, from the begin of its forward
  std::vector<double> call_s;   // of bucket k, contention included
  double compute_s = 0;         // forward and backward
  double load_s = 0;            // input that prefetching can hide, per step
  double wait_s = 0;            // input that it cannot
  double optimizer_s = 0, capture_s = 0, control_s = 0;
  double jitter_normal = 0, jitter_exponential = 0;
  double slow_share = 0, slow_factor = 1;
};

// kNotFound: no compute time of this model on this system.
Result<StepPlan> PlanStep(const System& system, const Workload& workload, const Scenario& scenario);

// Seconds of an epoch whose mean step is given, and of the whole training.
double EpochSeconds(const System& system, const Workload& workload, const Scenario& scenario,
                    double step_s);
double TotalSeconds(const System& system, const Workload& workload, const Scenario& scenario,
                    double step_s, double epochs);

}  // namespace stemma::scale
