// An evaluation of aigw as one HTML file: how many mergers are read how well, and what was read
// against what is true, parameter by parameter. Pure function; no LibTorch.
#pragma once

#include <string>

#include "tools/overlap/lines.h"

namespace stemma::cli {

std::string OverlapPage(const OverlapReport& report);

}  // namespace stemma::cli
