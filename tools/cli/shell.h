// A command line, run by /bin/sh and waited for.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::cli {

// The exit code of /bin/sh -c `command`, or 128 and the signal that ended it. `environment`:
// "NAME=value". Its stdout is our stderr. kIo when it cannot be started.
Result<int> RunShell(const std::string& command, std::vector<std::string> environment);

// As one word of such a line, whatever it holds.
std::string Quoted(const std::string& word);

}  // namespace stemma::cli
