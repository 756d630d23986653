// What of the model is fitted, and how: the step times of a few runs of one machine as
//
//   step(N) - call(N) = batch * (compute + spread * g(N) + wait * N)
//
// with g the expected largest deviation of N ranks, once for a normal and once for an exponential
// tail: three coefficients, none negative, by least squares of relative errors. Time outside steps
// is validation / N + constant. The run-to-run spread is not known, as no run was repeated: the
// coefficients' ranges come from 400 refits with each point moved by its spread between epochs, 1 %
// at least. Few points: the ranges are wide.
//
//   STEMMA_ASSIGN_OR_RETURN(System hal, FindSystem("hal"));
//   System fitted = WithFit(hal, FitRuns(hal, {runs[0], runs[2], runs[4]}, "2, 8, 32 GPUs"));
//
// Pure functions.
#pragma once

#include <string>
#include <vector>

#include "tools/scale/constant.h"
#include "tools/scale/published.h"
#include "tools/scale/system.h"

namespace stemma::scale {

struct ResNetFit {
  Constant per_sample_ms, jitter_normal, jitter_exponential, wait_us;
  Constant validation_s, epoch_s;
};

// `points` names the runs, for the constants' sources. `no_stragglers`: jitter is held at 0, for
// fewer than three runs.
ResNetFit FitRuns(const System& system, const std::vector<HalRun>& runs, const std::string& points,
                  bool no_stragglers = false);

// The system with these constants. What the fitted compute time holds already is set to 0.
System WithFit(System system, const ResNetFit& fit);

}  // namespace stemma::scale
