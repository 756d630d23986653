// Learning-rate schedules: pure functions of the step, so resume, fork and search can evaluate them
// anywhere. No LibTorch.
#pragma once

#include <cstdint>

#include "core/status.h"
#include "optim/settings.h"

namespace stemma::optim {

// kInvalidArgument: unknown schedule, warm-up longer than the run, unreadable step_factors.
Status CheckSchedule(const OptimSettings& settings, int64_t total_steps);

// The learning rate of `step` (0 .. total_steps-1). REQUIRES: CheckSchedule was OK.
double LearningRate(const OptimSettings& settings, int64_t total_steps, int64_t step);

}  // namespace stemma::optim
