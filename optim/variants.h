// Which options of LAMB's and LARS's variants go together. Part of CheckOptions. No LibTorch.
//
// An option that the chosen optimizer would not look at is a mistake, and one that this engine
// cannot do is refused with what to take instead: clip_scope "local" wants the norm of a rank's
// whole gradient before any of it is summed, but buckets are summed while backward still runs.
//
// Pure; any thread.
#pragma once

#include "core/status.h"
#include "optim/settings.h"

namespace stemma::optim {

// kInvalidArgument names the key, its value and what was expected. REQUIRES: settings.name is one
// of the optimizers.
Status CheckVariant(const OptimSettings& settings);

}  // namespace stemma::optim
