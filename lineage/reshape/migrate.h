// States from one store to another, as they are: packs, records and their ids do not change, so a
// training goes on there under the same names, and the same state in two stores is one state.
//
//   STEMMA_ASSIGN_OR_RETURN(const Migrated done, Migrate(*from, graph, states, *to, {}));
//
// What goes along: layouts, settings and environments; notes; on request the tags. All ancestors of
// the states come as records, with a prune mark in place of their bytes, so that the tree there has
// the same edges and nothing hangs in the air; so does a state whose bytes are pruned here. Migrate
// an ancestor by name later, and its bytes come and the mark goes.
//
// Safe at any crash, and done again it does what is missing: an object that is there is not copied
// twice, a record is appended once. A pack is durable before a record names it, an intent in the
// target's log holds it against that store's collector from before the last look at it, and a run's
// name leads to it only when all that was asked of the run is there. Every byte is proved on its
// way: a damaged pack is refused and nothing of its state arrives.
//
// One run has one history. Where it went on in both stores (the same incarnation was begun by two
// jobs), Migrate refuses: fork one of the two and migrate the fork. For the same reason end the run
// here before it goes on there.
//
// Memory: a chunk, a layout, and the records of one incarnation. Either store may be in use. One
// thread. Failure: kInvalidArgument for two histories, another run of the same name, a store onto
// itself; kNotFound for an unknown state; kCorruption for damage here; the storages' own. What was
// copied before a failure stays, unseen, for the next time.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/record.h"
#include "lineage/store.h"

namespace stemma::lineage {

struct MigrateOptions {
  bool tags = false;  // those that name one of the states, where the name is free there
};

struct Migrated {
  uint64_t states = 0;                 // that are whole there now
  uint64_t states_there = 0;           // of these: had been before
  uint64_t nodes = 0;                  // records without bytes that were appended
  uint64_t packs = 0, bytes = 0;       // copied
  uint64_t packs_there = 0;            // needed not be
  uint64_t notes = 0, tags = 0;        // set
  std::vector<std::string> tags_left;  // that name another state there
};

// `graph` is `from`'s, just loaded.
Result<Migrated> Migrate(const Store& from, const Graph& graph, const std::set<StateId>& states,
                         Store& to, const MigrateOptions& options);

}  // namespace stemma::lineage
