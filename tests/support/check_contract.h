// What comm.check=full and World::Subset promise, as functions of one rank of a World:
// tests/conformance runs them on every backend. Each returns the first promise that was broken;
// error texts are compared word for word.
#pragma once

#include "comm/world.h"
#include "core/status.h"

namespace stemma::tests {

// Calls that differ between ranks, in a world opened with comm.check=full. Each leaves the world's
// data communicator failed, so each needs a world of its own. REQUIRES: two ranks or more
Status Row19ScalesDiffer(comm::World& world);
Status Row20ShapesDiffer(comm::World& world);
Status Row21OtherNumberOfDims(comm::World& world);
Status Row22DTypesDiffer(comm::World& world);
Status Row23ReduceAgainstGather(comm::World& world);
Status Row24OpsDiffer(comm::World& world);
Status Row38GathersDiffer(comm::World& world);
Status Row40BroadcastsDiffer(comm::World& world);
Status OrderOfBucketsDiffers(comm::World& world);
Status BlocksDiffer(comm::World& world);
Status CountsDiffer(comm::World& world);

// With comm.check=full; the communicator stays usable.
Status Row26SubmittedTwice(comm::World& world);
Status Row27NameUsedAgain(comm::World& world);
Status OneRankRefuses(comm::World& world);

// With any settings.
Status Row49Groups(comm::World& world);
Status Row50BadLists(comm::World& world);
Status Row51UnequalLists(comm::World& world);  // REQUIRES: two ranks or more
Status Row05ClosedWorld(comm::World& world);   // closes it

}  // namespace stemma::tests
