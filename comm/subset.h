// Communicators for some of the ranks (World::Subset): which lists are accepted, and what ranks get
// that are not in them.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto members, AgreeOnMembers(world_cohort, {0, 2}));
//
// Thread: one at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "comm/communicator.h"
#include "core/cohort.h"

namespace stemma::comm {

// Collective over the world. Lists that differ between ranks are the same kIncompatible on every
// rank, by value; an empty one, a duplicate and a rank outside the world are kInvalidArgument on
// all. Returns the ranks in ascending order.
Result<std::vector<int>> AgreeOnMembers(Cohort& world, const std::vector<int>& ranks);

// Where `rank` stands among the members, or -1.
int PlaceIn(const std::vector<int>& members, int rank);

// What a rank holds of a group that it is not in: every call is kInvalidArgument and says so.
// Nothing is sent and nobody waits. rank() is -1.
std::unique_ptr<Communicator> MakeNonMember(int world_rank, const std::vector<int>& members,
                                            std::string_view backend, bool on_gpu);

}  // namespace stemma::comm
