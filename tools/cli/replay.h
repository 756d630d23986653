// Trains the steps between two states of a run once more, with a state captured at each of them.
//
//   STEMMA_ASSIGN_OR_RETURN(const Replay replay, ReplaySteps(opened, good, bad, path, "", true));
//   replay.line                       // good, then a state of every step up to bad's
//
// The training is a fork of the good state, in a run of its own: the run that is looked into is not
// touched. A resume is exact, so the fork goes the same way; what it ends in is held against the
// bad state, byte for byte, before anything is said of its steps.
//
// Failure: kInvalidArgument for states that a replay cannot join (another run's, another number of
// ranks); kIo when the training does not reach the bad state's step; kIncompatible when it reaches
// other bytes: another build, machine or number of threads.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/record.h"
#include "tools/cli/open_store.h"

namespace stemma::cli {

struct Replay {
  OpenedStore opened;  // with the states that were made
  std::string run;
  std::vector<lineage::StateId> line;
};

// A launch line must hold {train}; {ranks} stands for their number.
Status CheckLaunch(const std::string& launch);

// `launch`: "" for mpirun, or nothing where there is one rank. `say`: tells on stdout what is done.
Result<Replay> ReplaySteps(const OpenedStore& opened, const lineage::Record& good,
                           const lineage::Record& bad, const std::string& store_path,
                           const std::string& launch, bool say);

}  // namespace stemma::cli
