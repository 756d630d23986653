// `stemma bench train`: Horovod's synthetic benchmark protocol over our engine.
//
// Rank 0 prints the protocol's lines, timed as it times them (rank 0's clock), and below them what
// is ours: every figure there counts the slowest rank of each step. Loops that are compared
// (tools/bench/train_loops.h) alternate iteration by iteration in one process, and change places
// each time, so that a busy machine disturbs them alike.
//
//   exposed communication   median over iterations of: step with communication - step without
//   peak memory             resident, the most so far; and the share of this rank now, pages that
//                           ranks share divided among them
//
// Collective. Thread: the loop's. Failure: the world's, LibTorch's as kInternal.
#pragma once

#include "comm/world.h"
#include "core/status.h"
#include "models/train/settings.h"
#include "tools/bench/options.h"

namespace stemma::bench {

Status RunTrainBench(const TrainFlags& flags, const models::RunSettings& settings,
                     comm::World& world);

}  // namespace stemma::bench
