// Who started this process, read from the environment before MPI is asked anything. Only the number
// of ranks is taken from there, to be compared with what MPI says; the rank itself always comes
// from MPI, because inside a Slurm job every rank of mpirun inherits the same SLURM_PROCID.
//
//   Result<Launch> launch = ReadLaunch(EnvironmentVariable);
//   if (launch->alone()) ...                    // a world of one: MPI is never called
//   Status status = CheckSize(*launch, mpi_size, mpi_version);
//
// Pure functions; `environment` stands for getenv, so that tests can write any.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/status.h"

namespace stemma::comm {

using Environment = std::function<std::optional<std::string>(const char* name)>;
std::optional<std::string> EnvironmentVariable(const char* name);  // the process's own

struct Launch {
  std::string launcher;  // "mpirun", "srun", "mpiexec"; empty: started by hand
  std::string variable;  // where `ranks` was read: "OMPI_COMM_WORLD_SIZE"
  int ranks = 1;
  // One task of srun needs no MPI either, and Slurm may not offer it any.
  bool alone() const { return launcher.empty() || (launcher == "srun" && ranks == 1); }
};

// kInvalidArgument for a bare command inside a Slurm allocation of several tasks, which would be
// taken for the whole job, for several ranks of srun without a plugin for MPI, and for a variable
// that is no number.
Result<Launch> ReadLaunch(const Environment& environment);

// kInvalidArgument when the launcher started another number of ranks than MPI sees. `library` is
// what MPI says about itself.
Status CheckSize(const Launch& launch, int mpi_ranks, const std::string& library);

}  // namespace stemma::comm
