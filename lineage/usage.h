// Whose bytes are on the disk: of groups of states (runs, states, whatever was asked for), what
// only they name, and what they share with others. Packs count, each once: layouts and blobs are
// small and shared by nearly all.
//
//   const Usage usage = UsageOf(graph, RunsAsGroups(graph));
//   usage.groups[0].exclusive      // what pruning that run would free, all others staying
//   usage.all.exclusive            // what pruning all of them together would free
//
// Exclusive bytes do not add up: what two runs share is exclusive to neither, but to both together.
//
// UsageOf and RunsAsGroups are pure functions; any thread. UnnamedObjects lists the store's
// folders: what it finds are left-overs of captures that were cut off, or the work of one that is
// going on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"

namespace stemma::lineage {

struct StateGroup {
  std::string name;
  std::vector<StateId> states;  // ids that the graph does not hold count for nothing
};

struct GroupUsage {
  std::string name;
  uint64_t states = 0;
  uint64_t exclusive = 0;  // of packs that no state outside the group names
  uint64_t shared = 0;     // of its other packs
  uint64_t logical = 0;    // what restoring each of its states brings back
};

struct Usage {
  std::vector<GroupUsage> groups;  // as given
  GroupUsage all;                  // the groups as one
  uint64_t stored = 0;             // of the whole store, whoever names it
};

// One for each run, names ascending.
std::vector<StateGroup> RunsAsGroups(const Graph& graph);

Usage UsageOf(const Graph& graph, const std::vector<StateGroup>& groups);

struct UnnamedBytes {
  uint64_t objects = 0, bytes = 0;
};
// Packs, layouts and blobs that no state of `graph` names. Load the graph before: what was appended
// later would be taken for nobody's.
Result<UnnamedBytes> UnnamedObjects(const Store& store, const Graph& graph);

}  // namespace stemma::lineage
