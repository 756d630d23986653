// Which settings a fork may change. A fork begins with its parent's bytes, so what gives those
// bytes their meaning (the network, the kind of optimizer, the order of the data) stays.
#pragma once

#include <string>
#include <string_view>

namespace stemma::cli {

// "" when `key` may change at a fork; else why not, as the end of a sentence about the key.
std::string WhyNotAtFork(std::string_view key);

}  // namespace stemma::cli
