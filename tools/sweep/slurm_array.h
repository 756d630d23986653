// The stages of a sweep as Slurm job arrays, for sites where one allocation for all of it is not to
// be had: a list of command lines, a job script that runs one of them, and a script that submits an
// array for each depth of the stage tree, each after the one before.
//
//   STEMMA_ASSIGN_OR_RETURN(const ArrayFiles files, SlurmArray(sweep, standing, options));
//
// For sweeps that decide nothing on their way (grid, random, sobol): others need a controller. A
// job that was stopped in front of its time limit, or pre-empted, is requeued and goes on.
// Stages that are done are left out, so what was lost is submitted by doing the same again; and
// `stemma sweep run SPEC` afterwards trains what is missing and records the outcomes.
//
// Pure. Failure: kInvalidArgument for a method that decides, or when nothing is left to train.
#pragma once

#include <map>
#include <string>

#include "core/status.h"
#include "tools/sweep/opening.h"
#include "tools/sweep/process_executor.h"
#include "tools/sweep/standing.h"

namespace stemma::sweep {

struct ArrayFiles {
  std::string list;                            // stages.list: a shell command per line
  std::string job, submit;                     // job.sh, submit.sh
  std::map<std::string, std::string> recipes;  // run -> its recipe.toml
  int stages = 0, depths = 0;
};

// `standing`: with all trials of the first proposal. `options`: folders as `sweep run` uses them.
Result<ArrayFiles> SlurmArray(const OpenedSweep& sweep, const Standing& standing,
                              const ProcessOptions& options);

}  // namespace stemma::sweep
