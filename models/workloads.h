// Makes the workload that run.workload names. The only file that knows all of them.
#pragma once

#include <memory>

#include "core/cohort.h"
#include "core/status.h"
#include "models/train/settings.h"
#include "models/train/workload.h"

namespace stemma::models {

// Collective over `cohort`, all ranks that train: data on a disk are looked at by its rank 0.
// kInvalidArgument names what does not fit: an unknown workload, settings outside their domain.
Result<std::unique_ptr<Workload>> MakeWorkload(const RunSettings& settings, Cohort& cohort);

}  // namespace stemma::models
