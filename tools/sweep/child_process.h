// A command of the shell as a process of its own, that is asked to stop when this one dies.
//
//   STEMMA_ASSIGN_OR_RETURN(const pid_t child, StartChild("exec mpirun ...", "x/train.log",
//   cores)); if (const std::optional<int> status = StatusOf(child)) ...  // as waitpid() gives it
//   AskToStop(child);
//
// It is the first of a process group, reads nothing, and adds what it prints to the log. When this
// process dies, however that comes, the kernel sends it SIGUSR1, which trainings take as the wish
// to save and stop, and which mpirun and srun hand on to their ranks (a SIGTERM would make mpirun
// kill them).
//
// One thread: the one that starts a child must live as long as the process. Failure: kIo.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::sweep {

// `cores`: those that it and all its children may run on; none: the same as this process.
Result<pid_t> StartChild(const std::string& command, const std::string& log,
                         const std::vector<int>& cores);

// nullopt: it runs. -1: somebody else has waited for it.
std::optional<int> StatusOf(pid_t child);

void AskToStop(pid_t child);

// The cores of this process that belong to part `part` of `parts`: neighbours, disjoint, alike in
// number but for one. Empty where there are more parts than cores.
std::vector<int> CoresOfPart(int64_t part, int64_t parts);

}  // namespace stemma::sweep
