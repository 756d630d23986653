// `stemma-engine evaluate STATE`: opens the world and evaluates the state in it.
#pragma once

#include <string>
#include <vector>

namespace stemma::cli {

int RunEvaluate(const std::vector<std::string>& arguments);  // the exit code

}  // namespace stemma::cli
