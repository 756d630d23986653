// What this program is and runs on, as far as results may depend on it. Compared on all ranks at
// start, saved with every state and printed by `stemma-engine version`.
#pragma once

#include <string>

#include "ops/world.h"

namespace stemma::cli {

// {"program", "xxh3 of the executable"}, {"LibTorch compiled", "2.11.0"}, {"LibTorch loaded",
// "2.11.0"}, ...: facts that must be equal on all ranks.
ops::Identity ProgramIdentity();

// The same, as "identity", and the facts that may differ (host, cores, kernel), as one JSON object.
std::string EnvironmentJson();

}  // namespace stemma::cli
