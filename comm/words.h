// The two ways in which control words travel (comm/control.h).
//
// Thread: the loop's, alone. `group` outlives what is made from it.
#pragma once

#include <chrono>
#include <memory>

#include "comm/control.h"
#include "comm/mpi_group.h"
#include "comm/thread_group.h"

namespace stemma::comm {

// MPI_Iallreduce with MPI_BOR: the one reduction that is left to MPI, because no order of integers
// can change their OR.
std::unique_ptr<WordExchange> MakeMpiWords(MpiGroup& group, std::chrono::milliseconds deadline);

// Shared: whichever rank ends last leaves the group.
std::unique_ptr<WordExchange> MakeThreadWords(std::shared_ptr<ThreadGroup> group, int rank);

}  // namespace stemma::comm
