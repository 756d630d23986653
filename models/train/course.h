// What a run's settings come to with its data and its ranks: the steps of the whole run, and
// [optim] in steps. Everything that can be refused before a model is built is refused here.
//
// No LibTorch. Pure; any thread.
#pragma once

#include <cstdint>

#include "core/status.h"
#include "models/train/settings.h"
#include "optim/settings.h"

namespace stemma::models {

struct Course {
  int64_t total_steps = 0;
  optim::OptimSettings optim;  // of the settings, its lengths in steps (optim/units.h)
  int64_t validate_every = 0;  // steps between evaluations; 0: none
};

// kInvalidArgument names the key: train.length, what optim::InSteps and CheckSchedule refuse,
// ops.divisor, train.precision = float16 on a CPU or without a loss scale, validate.every, and what
// looks at val_loss where there is none. dataset_size 0: not known, and what needs it is refused.
Result<Course> CourseOf(const RunSettings& settings, int64_t dataset_size);

// Threads that prepare data on a rank which has so many cores: train.loader_threads, or by itself
// all cores but two beside a GPU, one for the loop and one for what it launches. On a CPU the
// network computes on all of them: one thread.
int64_t LoaderThreads(const RunSettings& settings, int cores);

}  // namespace stemma::models
