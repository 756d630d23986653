// The untuned-LAMB rule for ResNet-50: learning rate and warm-up from the global batch alone, for
// batches from 512 to 32,768 of You et al. (ICLR 2020) without tuning:
//
//   lr(B)             0.005 sqrt(B / 512)
//   warm-up epochs    0.3125 B / 512
//
// An epoch of D samples has D / B steps, so the warm-up is round(0.3125 D / 512) steps whatever the
// batch: 782 on ImageNet. B is what one update sees: all ranks, all micro-batches. Below 512 the
// rule is extrapolated.
//
//   settings.lr = UntunedRate(global_batch);
//   STEMMA_ASSIGN_OR_RETURN(settings, WithRecipe(settings, dataset_size, total_steps));
//
// The rate belongs to the settings as soon as they are read (models/train/fill_settings.h), where
// it can be set to something else; the warm-up needs the data set, so it is added at each start,
// unless warmup_steps is set. No LibTorch. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "core/status.h"
#include "optim/settings.h"

namespace stemma::optim {

double UntunedRate(int64_t global_batch);

// `settings`, with warmup_steps filled in where a recipe is set and they are 0, and checked as
// CheckSchedule does. kInvalidArgument: so small a data set that the warm-up would have no step, or
// so short a run that it would not end; and what CheckSchedule says.
Result<OptimSettings> WithRecipe(const OptimSettings& settings, int64_t dataset_size,
                                 int64_t total_steps);

// "untuned-resnet50 for a global batch of 8192: lr 0.02, warm-up 782 steps (5 epochs)"; "" without
// a recipe. REQUIRES: settings are WithRecipe's.
std::string DescribeRecipe(const OptimSettings& settings, int64_t global_batch,
                           int64_t dataset_size);

}  // namespace stemma::optim
