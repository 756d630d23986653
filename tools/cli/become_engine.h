// How a verb that computes leaves `stemma` for `stemma-engine`.
#pragma once

#include <string>

#include "tools/cli/verb.h"

namespace stemma::cli {

// Replaces this process by `stemma-engine VERB ARGUMENTS`: process id, environment and signals stay
// what the launcher knows. Returns only on failure: kIncompatible when there is no engine, kIo.
Status BecomeEngine(const std::string& verb, const Arguments& arguments);

}  // namespace stemma::cli
