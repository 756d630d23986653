// Learning-rate schedules: pure functions of the step, so resume, fork and search can evaluate them
// anywhere. No LibTorch.
//
//   STEMMA_RETURN_IF_ERROR(CheckSchedule(settings, total_steps));
//   double lr = LearningRate(settings, total_steps, step);
//
// Every schedule starts with the same linear warm-up of W = warmup_steps, which reaches `lr` at
// step W (warmup_origin 0) or at step W - 1 (warmup_origin 1). What follows, with T = total_steps
// and x = (step - W) / (T - W):
//
//   constant       lr
//   warmup_linear  lr (1 - x)
//   warmup_poly    lr (1 - x)^poly_power
//   warmup_cosine  lr_min + (lr - lr_min) (1 + cos(pi x)) / 2
//   steps          lr times the factor of the last step of step_factors that has come
//   cosine_restarts  the cosine over cycles of C, C k, C k^2, ... steps (cycle C, cycle_mult k),
//                  each from lr (SGDR, arXiv:1608.03983)
//   plateau        lr; the optimizer multiplies it by what its Plateau says (plateau.h)
//
// So the rate of step W is `lr` in all of them (steps: if no factor has come), and 0 (or lr_min)
// would be that of step T, which is never taken. Two have ends of their own:
//
//   one_cycle      lr_start + (lr - lr_start) (1 - cos(pi step / W)) / 2 up to step W, then the
//                  cosine down to lr_min (arXiv:1708.07120; the momentum stays)
//   exponential    lr_start (lr / lr_start)^(step / (T - 1)): the learning-rate range test. No
//                  warm-up; both ends are taken
//
// Every bit is the same on every host: power.h makes the powers, and the cosine is a series of its
// own. Lengths in samples and epochs become steps before (units.h).
#pragma once

#include <cstdint>
#include <string>

#include "core/status.h"
#include "optim/settings.h"

namespace stemma::optim {

// kInvalidArgument: unknown schedule, warm-up longer than the run, unreadable step_factors, a value
// out of its range, lengths that are not in steps yet. The text names the key.
Status CheckSchedule(const OptimSettings& settings, int64_t total_steps);

// The learning rate of `step` (0 .. total_steps-1). REQUIRES: CheckSchedule was OK.
double LearningRate(const OptimSettings& settings, int64_t total_steps, int64_t step);

// Whether rates depend on total_steps, so that a longer run is another one from its start.
bool LooksAtTheEnd(const std::string& schedule);

}  // namespace stemma::optim
