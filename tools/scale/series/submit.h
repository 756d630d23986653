// A series as a job of Slurm: one script that asks for the nodes of the largest count and runs the
// whole series inside. One job and not one per count, because counts are run in random order and
// repeats are interleaved: jobs that start hours apart, on other nodes, would not compare.
//
//   STEMMA_ASSIGN_OR_RETURN(const std::string text, SlurmScript(job));     // then `sbatch FILE`
//
// The command in it is the one that was typed, without --submit; handed in again, it goes on with
// what is missing. Pure function. Failure: kInvalidArgument for what Slurm has to be told and was
// not said.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::scale {

struct SlurmJob {
  int nodes = 1, ranks_per_node = 0, threads = 1;
  std::string time = "02:00:00";
  std::vector<std::string> options;  // "--partition=gpu", one #SBATCH line each
  std::string working_folder, log_folder;
  std::vector<std::string> command;
};

Result<std::string> SlurmScript(const SlurmJob& job);

}  // namespace stemma::scale
