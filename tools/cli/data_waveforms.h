// The flags of `stemma data waveforms`, in one place: `stemma` prints their help and checks them
// before it becomes the engine, which reads the same words again. `stemma` itself does not write
// the file: HDF5's library brings thirty others, and every verb would wait for them to be loaded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "models/aigw/settings.h"
#include "tools/cli/flags.h"

namespace stemma::cli {

struct WaveformsCommand {
  std::string recipe;            // [aigw] of it; "": the defaults, the published window
  std::vector<std::string> set;  // "aigw.dt=2"
  std::string out;
  std::string split = "train";  // train | validation | test
  int64_t count = 0;            // 0: all of the split
};

// `values` outlives the result.
Flags WaveformsFlagList(WaveformsCommand* values);

// What recipe and --set make of [aigw]; sets a count of 0 to the size of the split.
// kInvalidArgument names flag, file and line.
Result<models::AigwSettings> ReadWaveformSettings(WaveformsCommand* command);

}  // namespace stemma::cli
