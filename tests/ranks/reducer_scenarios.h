// What a Reducer must do, as functions of a world: run over threads by tests/ranks and over MPI by
// tests/mpi. Each is collective and returns the first expectation that failed on this rank.
#pragma once

#include "comm/world.h"
#include "core/status.h"

namespace stemma::tests {

// Right results.
Status MeanIsExact(comm::World& world);
Status EqualsOneBigBatch(comm::World& world);
Status OrderOfBackwardDoesNotMatter(comm::World& world);
Status UnusedParameterIsZero(comm::World& world);
Status MicroBatchesAddUp(comm::World& world);
Status AveragedBuffersAreTheMean(comm::World& world);
Status EverythingStartsAsOnRankZero(comm::World& world);
Status ReplicasStayEqual(comm::World& world);
Status TiedWeightsAreOneParameter(comm::World& world);
Status AllFloatTypesAreReduced(comm::World& world);
Status ChannelsLastStaysChannelsLast(comm::World& world);
Status TensorCollectives(comm::World& world);

// Mistakes of the user, each with its error.
Status TooManyBackwards(comm::World& world);
Status TooFewBackwards(comm::World& world);
Status UnusedParameterIsAnError(comm::World& world);
Status LostAliasIsReattached(comm::World& world);
Status ZeroGradInsideTheStep(comm::World& world);
Status ConvertedModelIsRefused(comm::World& world);
Status NewlyTrainableIsRefused(comm::World& world);
Status CallsOutOfOrder(comm::World& world);
Status OtherModelOnOneRank(comm::World& world);
Status BadArgumentOnOneRank(comm::World& world);
Status FailingRankDoesNotHangOthers(comm::World& world);
Status MemoryOutlivesTheReducer(comm::World& world);

}  // namespace stemma::tests
