// Makes the workload that run.workload names. The only file that knows all of them.
#pragma once

#include <memory>

#include "core/status.h"
#include "models/train/settings.h"
#include "models/train/workload.h"

namespace stemma::models {

// kInvalidArgument names what does not fit: an unknown workload, settings outside their domain.
Result<std::unique_ptr<Workload>> MakeWorkload(const RunSettings& settings);

}  // namespace stemma::models
