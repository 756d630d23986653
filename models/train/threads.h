// How many threads LibTorch computes with on a rank: what device.threads says, or this rank's share
// of the node's cores. Ranks that differ in it would not compute the same bits, so they agree on
// it; a rank that may use fewer cores than it has threads says so on stderr, with the way out. The
// same is said of threads that prepare data for a GPU, which launchers like to bind to one core.
//
// Collective; before the first tensor is computed.
#pragma once

#include "core/status.h"
#include "models/train/settings.h"
#include "ops/world.h"

namespace stemma::models {

Status UseThreads(const RunSettings& settings, ops::World& world);

}  // namespace stemma::models
