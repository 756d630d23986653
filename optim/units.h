// Lengths of [optim] in samples and epochs, and rates that follow the batch: what must not change
// with the number of ranks or the batch is said in samples, and becomes steps once, here.
//
//   STEMMA_ASSIGN_OR_RETURN(const OptimSettings in_steps,
//                           InSteps(settings, {global_batch, samples_of_an_epoch}));
//   STEMMA_RETURN_IF_ERROR(CheckSchedule(in_steps, total_steps));
//
// A length is "5ep", "64000samples" or "782step". Of B samples a step and D samples an epoch it is
// n D / B, n / B or n steps, rounded to the nearest: 20 epochs of ImageNet at 32,768 are 782. (The
// run's own length, train.length, is rounded up.) Schedules take settings in steps alone, so that
// they stay pure functions of the step.
//
// No LibTorch. Pure functions; any thread.
#pragma once

#include <cstdint>

#include "core/status.h"
#include "optim/settings.h"

namespace stemma::optim {

struct Pace {
  int64_t batch = 0;  // samples of a step, over all ranks
  int64_t epoch = 0;  // samples of the data set; 0: not known, and lengths in epochs are refused
};

// `settings` with
//   warmup        made into warmup_steps
//   step_factors  in steps: "30ep:0.1" is "3003:0.1" at 128 samples a step of 12,812
//   cycle         in steps
//   lr            times B / lr_batch (lr_scaling linear) or its root (sqrt); lr_start and lr_min
//                 are rates of their own and stay as they are
// kInvalidArgument names the key: no number, no such unit, a broken number of steps, warmup beside
// warmup_steps, a batch that is not positive.
Result<OptimSettings> InSteps(const OptimSettings& settings, const Pace& pace);

// OK when nothing is left for InSteps to do but canonical steps; otherwise names the key.
Status CheckInSteps(const OptimSettings& settings);

}  // namespace stemma::optim
