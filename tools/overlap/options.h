// The flags of `stemma overlap`, in one place: `stemma` prints their help and checks them before it
// becomes the engine, which reads the same words again. No LibTorch.
#pragma once

#include <cstdint>
#include <string>

#include "core/status.h"
#include "tools/cli/flags.h"

namespace stemma::cli {

struct OverlapFlags {
  std::string state, store;
  std::string split = "test";
  int64_t count = 1000;
  double mass = 60;
  std::string estimate = "best";  // best | first | combined
  bool average = false;
  int64_t threads = 0;
  std::string json, csv, html;  // files; "": none
};

// `values` outlives the result.
Flags OverlapFlagList(OverlapFlags* values);

// kInvalidArgument names the flag and its range.
Status CheckOverlapFlags(const OverlapFlags& values);

}  // namespace stemma::cli
