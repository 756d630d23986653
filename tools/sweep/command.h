// A command of the user's that answers a question: what external methods are asked through.
#pragma once

#include <string>

#include "core/status.h"

namespace stemma::sweep {

// What `command`, run by /bin/sh, prints when `input` is its stdin; its stderr is ours. kIo when it
// cannot be run; kInvalidArgument when it leaves with another code than 0.
Result<std::string> AskCommand(const std::string& command, const std::string& input);

}  // namespace stemma::sweep
