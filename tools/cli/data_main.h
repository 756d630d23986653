// `stemma-engine data waveforms ...`: what `stemma data waveforms` becomes (data_waveforms.h).
#pragma once

#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::cli {

// `arguments` begin with "waveforms".
Status RunDataVerb(const std::vector<std::string>& arguments);

}  // namespace stemma::cli
