// The flags of `galaxy-eval` and `galaxy-label`, for `stemma`, which shows them, and stemma-engine,
// which computes. Free of LibTorch.
#pragma once

#include <cstdint>
#include <string>

#include "core/status.h"
#include "tools/cli/flags.h"

namespace stemma::galaxies {

struct EvalRequest {
  std::string store = "stemma-store", state, pictures, survey = "both", split = "test", out;
  int64_t count = 1066, side = 0, threads = 0;
  bool plain = false;
};

struct LabelRequest {
  std::string store = "stemma-store", state, pictures, survey = "des", out;
  int64_t count = 8983, per_class = 500, side = 0, threads = 0;
};

// The variables outlive the flags.
cli::Flags FlagsOf(EvalRequest* request);
cli::Flags FlagsOf(LabelRequest* request);

// kInvalidArgument names the first that makes no sense. What is of simulated galaxies must have its
// default where pictures are named.
Status Check(const EvalRequest& request);
Status Check(const LabelRequest& request);

}  // namespace stemma::galaxies
