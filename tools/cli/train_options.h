// The flags of `stemma train`, in one place: `stemma` prints their help and checks them before it
// starts the engine; the engine reads the same words again.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/initial_weights.h"
#include "models/train/settings.h"
#include "tools/cli/flags.h"

namespace stemma::cli {

struct TrainFlags {
  std::string recipe;             // TOML file; "": --run names a run that exists
  std::string run;                // continue that run with its stored settings, then --set
  std::string store;              // short for --set lineage.store=DIR
  std::string dir;                // run folder; "": stemma-runs/<run.name>
  std::vector<std::string> set;   // "key=value", from left to right
  bool fresh = false;             // refuse to continue
  bool dry_run = false;           // print the resolved settings, which are a recipe, and stop
  std::string progress = "auto";  // auto | bar | lines | off
  std::string then;               // folder of what is to be trained afterwards; "": nothing
  lineage::WeightsSource init;    // a file of weights that the run begins with; no names to skip
  std::string init_skip;          // those, with commas between
};

// `values` outlives the result.
Flags TrainFlagList(TrainFlags* values);

// `init` with the names of `init_skip`.
lineage::WeightsSource InitFrom(const TrainFlags& flags);

// Reads everything that the command line says into `list` (the list of `settings`): for --run the
// settings stored with the run's newest state, else the recipe; then --store and --set. Checks no
// more than that; torch-free, no MPI. kInvalidArgument names flag, file and line.
Status ReadTrainSettings(const TrainFlags& flags, models::RunSettings* settings,
                         SettingsList* list);

}  // namespace stemma::cli
