// The flags of `stemma evaluate`, in one place, as train_options.h has those of `train`.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/flags.h"

namespace stemma::cli {

struct EvaluateFlags {
  std::string state, store;
  std::vector<std::string> set;  // "key=value", after the settings stored with the state
  bool json = false;
  bool note = false;  // write what was found to the state, as notes
};

// `values` outlives the result.
Flags EvaluateFlagList(EvaluateFlags* values);

}  // namespace stemma::cli
