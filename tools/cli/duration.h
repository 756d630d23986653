// Lengths of time as people write them on a command line.
#pragma once

#include <string>

#include "core/status.h"

namespace stemma::cli {

// "90", "90s", "10m", "2h", "7d" in seconds; kInvalidArgument that says so and names the flag.
Result<double> SecondsIn(const std::string& flag, const std::string& text);

}  // namespace stemma::cli
