// How many threads LibTorch computes with on a rank: what device.threads says, or this rank's share
// of the cores that it may use. A launcher may leave all cores of a host to all of its ranks, or
// bind each rank to some of its own (Slurm's --cpus-per-task), so only those ranks divide them that
// may use them too. Ranks that differ in it would not compute the same bits: where nothing was
// asked for, all take the smallest share, also when hosts have different numbers of ranks; a rank
// that may use fewer cores than it has threads says so on stderr, with the way out. So does
// one with too many threads that prepare data for a GPU: launchers like to bind to one core.
//
// Collective; before the first tensor is computed.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"
#include "models/train/settings.h"
#include "ops/world.h"

namespace stemma::models {

Status UseThreads(const RunSettings& settings, ops::World& world);

// Where a rank may compute: one bit per core of its host; "": not known, so maybe on all.
struct RankCores {
  std::string host, mask;
};

// How many of its host's `node_ranks` ranks divide the cores of `rank` among them, itself included.
// `ranks` may be some of them, one of several groups: the others are taken to be like these.
int RanksSharing(const std::vector<RankCores>& ranks, int rank, int node_ranks);

// After UseThreads: how many cores are this rank's share.
int ShareOfCores(const RunSettings& settings, ops::World& world);

}  // namespace stemma::models
