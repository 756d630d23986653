// Trains one run from where it stands to its end: resume or start, steps, captures, signals, and a
// clean stop on all ranks. `tools/cli` calls Train with what the command line said; a program with
// its own model calls it with a Workload of its own.
//
//   STEMMA_ASSIGN_OR_RETURN(auto world, ops::World::Open(settings.comm, identity));
//   const Outcome outcome = Train(settings, list, options, *world, MakeAigw);
//   return outcome.exit_code;
//
// Collective. Thread: the caller's, which becomes the loop's. LibTorch's exceptions end here and
// become the outcome. A rank that fails alone inside a step says so in the control word, and all
// ranks stop at the next boundary with its text; a rank that is lost or hangs ends the job through
// World::Abort with exit code 75.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/cohort.h"
#include "core/settings.h"
#include "core/status.h"
#include "lineage/initial_weights.h"
#include "models/train/live_state.h"
#include "models/train/run_folder.h"
#include "models/train/settings.h"
#include "models/train/workload.h"
#include "ops/world.h"

namespace stemma::models {

struct TrainOptions {
  std::string dir;                  // run folder; "": stemma-runs/<run.name>
  bool fresh = false;               // refuse to continue
  std::string progress = "auto";    // auto | bar | lines | off
  std::string environment_json;     // versions and paths, for the record and env.json
  HandOver hand_over = {};          // who gets the state as it is in memory, and when
  const LiveState* live = nullptr;  // begin from it, which is the run's fork, and read no pack
  // Whose tensors a run without states begins with; a run that goes on does not read it again.
  lineage::WeightsSource init_from = {};
};

using WorkloadFactory =
    std::function<Result<std::unique_ptr<Workload>>(const RunSettings& settings, Cohort& cohort)>;

// `list` is FieldsOf(settings). Everything durable is written and every line printed on return; the
// world is still open.
Outcome Train(const RunSettings& settings, const SettingsList& list, const TrainOptions& options,
              ops::World& world, const WorkloadFactory& make);

}  // namespace stemma::models
