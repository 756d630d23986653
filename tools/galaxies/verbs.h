// `stemma-engine galaxy-eval` and `galaxy-label`: options.h says what they do.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::galaxies {

Status RunEval(const std::vector<std::string>& arguments);
Status RunLabel(const std::vector<std::string>& arguments);

}  // namespace stemma::galaxies
