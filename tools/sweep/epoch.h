// How long an epoch is, where a sweep's plan has to know it. A plan is made before any data are
// opened, and most need no such number: lengths in steps and samples say all.
//
//   STEMMA_ASSIGN_OR_RETURN(base.epoch, EpochOfFiles(spec, settings));
//   ... models::CourseOf(trial's settings, EpochOf(base, trial's settings))
//
// Needed it is by lengths in epochs ("3ep"), by optim.recipe, whose warm-up is a share of the data,
// and by lengths in samples with train.last_batch = short. Then the data's own lists are counted
// (models/epoch.h), and data that differ between trials are refused.
//
// Any thread. Failure: kInvalidArgument: what needs it, why it cannot be known, and the way out.
#pragma once

#include <cstdint>

#include "core/status.h"
#include "models/train/settings.h"
#include "tools/sweep/base.h"
#include "tools/sweep/spec.h"

namespace stemma::sweep {

// `settings` with the spec's [settings]. 0: computed data, or no need.
Result<int64_t> EpochOfFiles(const SweepSpec& spec, const models::RunSettings& settings);

// Samples of an epoch of a trial with these settings; 0: not known, as nothing needs it.
int64_t EpochOf(const Base& base, const models::RunSettings& settings);

}  // namespace stemma::sweep
