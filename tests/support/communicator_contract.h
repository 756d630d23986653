// What every communicator promises, as functions of one rank: run by ranks that are threads
// (tests/ranks) and by ranks that are processes (tests/mpi). Each returns the first promise that
// was broken. Expected values are closed forms over small integers, exact in every dtype and order,
// except where the order of the sum is the promise.
#pragma once

#include "comm/communicator.h"
#include "core/status.h"

namespace stemma::tests {

Status SumsEveryDType(comm::Communicator& comm);
Status AveragesMinimaMaximaProducts(comm::Communicator& comm);
// Values whose sum depends on the order: bits equal ((g0 + g1) + g2) + ... on every rank, at sizes
// that take every path of a backend.
Status SumsInRankOrder(comm::Communicator& comm);
Status GathersUnequalCounts(comm::Communicator& comm);
Status BroadcastsFromEveryRoot(comm::Communicator& comm);
// Every dtype, parts of any size and of none, in place and not.
Status ScattersReducedParts(comm::Communicator& comm);
Status ScatterThenGatherIsAllReduce(comm::Communicator& comm);  // bit by bit
// Blocks of any size, some of none, also from and to ranks that have nothing at all.
Status ExchangesBlocks(comm::Communicator& comm);
Status RefusesMistakesOfParts(comm::Communicator& comm);  // with the values in the text
Status KeepsTheOrderOfCalls(comm::Communicator& comm);  // many under way at once, then a barrier
Status AcceptsNothing(comm::Communicator& comm);        // zero elements
Status RefusesMistakes(comm::Communicator& comm);
Status AllocatesAlignedZeros(comm::Communicator& comm);

}  // namespace stemma::tests
