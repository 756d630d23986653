// A fork whose bytes come from the memory of the ranks that train the parent: they are broadcast to
// the ranks that will train the child, and the store gets the same record as from `stemma fork`,
// with restore=warm on it. No pack is read. Where the parent's ranks go on as the child themselves,
// nothing is sent either.
//
//   // ranks 0 and 1 train the parent in a group, ranks 2 and 3 wait for their next run; all four:
//   STEMMA_ASSIGN_OR_RETURN(const LiveState child,
//                           WarmFork({{0, 1}, {2, 3}, "hot", settings_of_hot}, live, store,
//                           world));
//   // ranks 2 and 3, in their group:
//   options.live = &child;
//   Train(hot, list_of_hot, options, *group, make);
//
// The result is bit-identical to a cold fork and its restore: a test says so. The parent's state is
// durable before anything is sent (live_state.h), the bytes have arrived before the record is
// written, and the record is durable before anybody returns: a child that dies is started again
// from the store like any other fork.
//
// Collective over `world`, which has all ranks of both and may have others, who then only pass the
// bytes on: a world for each pair (comm/world_group.h) leaves the others alone. Thread: the loop's,
// such as inside HandOver::give where only the parent's ranks take part. Failure: the same on every
// rank, and then there is no child: kInvalidArgument for ranks that cannot be or a name that is
// taken, kIncompatible where ranks speak of different forks or states.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/record.h"
#include "lineage/store.h"
#include "models/train/live_state.h"
#include "ops/world.h"

namespace stemma::models {

struct WarmForkOptions {
  std::vector<int> parent, child;  // ranks of the world, ascending; both may have a rank
  std::string name;                // the child's run
  std::string settings;            // the child's, resolved: SettingsList::ToToml()
  std::map<std::string, lineage::AttributeValue> attributes = {};  // "fork.set", ...
};

// `live` is the parent's state on the parent's ranks, null elsewhere. The parent's first rank
// writes to `store`; the others may have it open for reading. The child's ranks get its first state
// with all bytes of it, in memory of its own; the other ranks its record alone.
Result<LiveState> WarmFork(const WarmForkOptions& options, const LiveState* live,
                           lineage::Store& store, ops::World& world);

}  // namespace stemma::models
