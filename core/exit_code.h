// The exit codes of every Stemma program; job scripts rely on them.
#pragma once

#include "core/status.h"

namespace stemma {

enum ExitCode : int {
  kExitDone = 0,      // the run's configured end is reached, or the verb succeeded
  kExitFailed = 1,    // failed; error.json says why
  kExitUsage = 2,     // bad flag, unknown setting, launch check refused: fix the command
  kExitTryAgain = 75  // not done, run the same command again (EX_TEMPFAIL)
};

// What a program that fails with `status` returns.
inline ExitCode ExitCodeFor(const Status& status) {
  switch (status.code()) {
    case Code::kOk:
      return kExitDone;
    case Code::kInvalidArgument:
      return kExitUsage;
    case Code::kPeerLost:
    case Code::kTimeout:
      return kExitTryAgain;
    default:
      return kExitFailed;
  }
}

}  // namespace stemma
