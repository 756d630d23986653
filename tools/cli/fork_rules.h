// Which settings a fork may change. A fork begins with its parent's bytes, so what gives those
// bytes their meaning (the network, the kind of optimizer, the order of the data) stays.
#pragma once

#include <string>
#include <string_view>

#include "optim/settings.h"

namespace stemma::cli {

// "" when the optimizer of `fork` keeps just the state that the parent's kept; else what does not
// go, with the key. Of the same kind of optimizer.
std::string WhyNotThatState(const optim::OptimSettings& parent, const optim::OptimSettings& fork);

// "" when `key` may change at a fork; else why not, as the end of a sentence about the key.
std::string WhyNotAtFork(std::string_view key);

}  // namespace stemma::cli
