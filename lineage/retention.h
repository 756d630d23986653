// What may lose its bytes, and what that frees: pure functions over a loaded Graph and a few facts
// that the caller gathers (collect.h does). Nothing here reads a disk or a clock.
//
//   const Roots roots(graph, facts);
//   roots.Why(id)                       // "tag:best"; "" when nothing holds the state
//   const PrunePlan plan = PlanPrune(graph, facts, wanted);
//   plan.freed_bytes                    // a pack that several of them share counts once
//
// A root is a state whose bytes stay even when it carries a prune mark. A pack goes only when every
// state that names it is marked and none is a root, and no intent or lease names it. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lineage/marks.h"
#include "lineage/policy.h"
#include "lineage/store.h"

namespace stemma::lineage {

// Neither closed, nor superseded, nor declared dead: "<run's ulid>/<number>".
std::string IncarnationKey(const std::string& run, uint32_t incarnation);

struct LifeFacts {
  std::set<std::string> living;          // incarnations that may go on, by IncarnationKey
  std::map<ObjectId, std::string> held;  // packs that an intent or a lease names, and whose it is
  // Seconds since the state's newest own pack was written, since the scope was last opened. By one
  // clock, the disk's; nullopt: not known, which counts as "just now".
  std::function<std::optional<double>(const Record&)> age_s;
  std::function<std::optional<double>(const std::string& scope)> scope_age_s;
  double grace_s = 600;  // younger states are roots
};

class Roots {
 public:
  // Both outlive it. `forkpoints`: by policy, what living runs were forked from is a root too.
  Roots(const Graph& graph, const LifeFacts& facts, bool forkpoints = false);

  // Why the state's bytes stay whatever its marks say; "" when it is no root.
  std::string Why(const StateId& id) const;
  // Why a state without a root may go by itself: its time to live has passed, or all its scopes are
  // over; "" when it has neither.
  std::string WhyExpired(const StateId& id) const;

 private:
  bool HasAge(const Record& record, double seconds) const;

  const Graph& graph_;
  const LifeFacts& facts_;
  const bool forkpoints_;
  std::map<StateId, std::string> fixed_;        // tags, heads
  std::map<StateId, std::string> open_, over_;  // members of scopes that are open, that are over
};

struct PruneItem {
  StateId id;
  std::string root;              // why its bytes stay although it was asked for; "": they go
  bool pruned = false;           // it carries a mark already
  uint64_t exclusive_bytes = 0;  // of packs that no other state wants
  uint64_t shared_bytes = 0;     // of its other packs
};

struct PrunePlan {
  std::vector<PruneItem> items;  // one for each wanted state
  std::set<ObjectId> freed_packs;
  uint64_t freed_bytes = 0;  // when all that may go are pruned and collected
};

// Of `among`, what may be pruned without asking further, each with the reason for its mark: states
// that `policy` does not keep; with an empty policy, which keeps all, those whose time to live has
// passed or whose scopes are over. Neither roots nor what carries a mark already.
std::map<StateId, std::string> LetGo(const Graph& graph, const LifeFacts& facts,
                                     const Policy& policy, const std::set<StateId>& among);

// What pruning `wanted` would do. States that carry a mark already count as pruned.
PrunePlan PlanPrune(const Graph& graph, const LifeFacts& facts, const std::set<StateId>& wanted);

}  // namespace stemma::lineage
