// How many cores there are to compute on.
#pragma once

namespace stemma {

// Those that this process may run on (taskset, mpirun --bind-to, a batch system); at least 1.
int CoresOfThisProcess();

// Of `ranks` processes that share them: what each takes, at least 1.
int CoresPerRank(int ranks);

}  // namespace stemma
