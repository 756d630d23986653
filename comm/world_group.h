// Several trainings in one job: each group of ranks gets a World of its own, with data, agreement
// and control word of its own, so that whatever runs in a world runs in a group without knowing of
// it.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto group, SplitWorld(*world, {{0, 1}, {2, 3}}, settings.comm));
//   if (group != nullptr) Train(settings, list, options, *group, make);   // 2 ranks each
//
// Groups do not wait for one another. What a process has once stays the whole world's: host, place
// on the node, recorder, watchdog, and Abort, which ends the job with all its groups. A group is
// not divided further: Subset is kInvalidArgument and says to ask the whole world.
//
// Owner: the caller; the whole world outlives the groups and closes their communicators with its
// own, so Close of a group is an agreement that all went well. A rank may be in several groups that
// were made by several calls. Thread: the loop's.
#pragma once

#include <memory>
#include <vector>

#include "comm/settings.h"
#include "comm/world.h"
#include "core/status.h"

namespace stemma::comm {

// Collective over the whole world: every rank gives the same lists, which share no rank, and gets
// the World of the list that it is in, or null when it is in none. Ranks are numbered in it in
// ascending order. kIncompatible on all ranks when the lists differ; kInvalidArgument for lists
// that share a rank or cannot be (World::Subset), and on GPUs, where a group has no host memory to
// agree over: start a job for each training there.
Result<std::unique_ptr<World>> SplitWorld(World& whole, const std::vector<std::vector<int>>& groups,
                                          const CommSettings& settings);

}  // namespace stemma::comm
