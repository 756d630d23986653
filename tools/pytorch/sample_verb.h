// `stemma-engine sample MODEL FILE`: a network's answer to a keyed input, as a file that torch.load
// reads (models/sample/sample.h). `stemma export --with-loader` ends with it, and the figure
// net_parity begins with it.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::cli {

Status RunSample(const std::vector<std::string>& arguments);

}  // namespace stemma::cli
