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

Status FusedBitsAreUnfusedBits(comm::World& world);
Status ManyTensorsInOneBroadcast(comm::World& world);
Status HookMakesProgress(comm::World& world);

// Settings and rarer calls.
Status CompressionStaysWithinItsBound(comm::World& world);
Status Fp16DoesNotOverflow(comm::World& world);
Status UserHookReducesBuckets(comm::World& world);
Status UnusedKeepsNone(comm::World& world);
Status UnevenData(comm::World& world);
Status OtherCollectivesAfterAJoin(comm::World& world);
Status LargeGradientsBecomeZeroLate(comm::World& world);
Status HandWrittenLargeGradient(comm::World& world);
Status LostAliasIsCopied(comm::World& world);
Status ReplacedGradientIsRefused(comm::World& world);
Status NonFiniteNamesTheRank(comm::World& world);
Status ClipsByGlobalNorm(comm::World& world);

// Models that change.
Status ReentrantCheckpointsCountOnce(comm::World& world);
Status NestedForwardsCompleteTheMean(comm::World& world);
Status TrainableInsideTheStepIsRefused(comm::World& world);
Status CountersAreBroadcast(comm::World& world);
Status ToggledParametersAndReplan(comm::World& world);
Status OtherDeviceIsRefused(comm::World& world);
Status BadNamesAreRefused(comm::World& world);
Status ZeroGradAfterBackward(comm::World& world);
Status MissingParameterTimesOut(comm::World& world);  // with a short deadline; ends the world

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

// Failures of one rank alone.
Status FailingHookLeavesItsRankStuck(comm::World& world);  // ends the world
Status FailingPrepareEndsAddHook(comm::World& world);
Status AbandonWithTheStepsShape(comm::World& world);  // with comm.check=full
Status AbandonWithoutAnyShape(comm::World& world);    // with comm.check=full; ends the world

}  // namespace stemma::tests
