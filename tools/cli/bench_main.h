// `stemma-engine bench WHAT`: opens the world and runs the benchmark in it.
#pragma once

#include <string>
#include <vector>

namespace stemma::cli {

int RunBench(const std::vector<std::string>& arguments);  // the exit code

}  // namespace stemma::cli
