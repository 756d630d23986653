// `stemma-engine overlap STATE`: a state's weights, held-out mergers, the report (lines.h).
#pragma once

#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::cli {

Status RunOverlapEngine(const std::vector<std::string>& arguments);

}  // namespace stemma::cli
