// How long the states of a run are wanted, as its settings say: which of them rules keep, and what
// each capture takes along with its record (persistence hints).
//
//   STEMMA_ASSIGN_OR_RETURN(const KeepRules rules, ParseKeep(settings));
//   AddHints(rules, &request.record);               // before Capturer::Capture
//   Keeper keeper(store, "r50", rules);             // keeper.h: applies the rules
//
// A hint is an attribute under a reserved key (marks.h), so it is durable with the state, and a
// note set later wins over it. A program with a loop of its own may set the same attributes by
// hand, capture by capture.
//
//   critical  the state is a root for ever: no rule marks it, no collector frees it
//   ttl       until then the state is a root; afterwards the rules decide, and where they keep all
//             it goes
//   scope     a root while the scope is open
//
// Plain data; any thread. Failure: kInvalidArgument names the setting and what was expected.
#pragma once

#include <set>
#include <string>

#include "core/status.h"
#include "lineage/policy.h"
#include "lineage/record.h"
#include "lineage/settings.h"
#include "lineage/store.h"

namespace stemma::lineage {

struct KeepRules {
  Policy policy;              // empty: all are kept
  double ttl_s = 0;           // of periodic captures; 0: without end
  std::set<Reason> critical;  // captures for these reasons are
  std::string scope;          // "": none

  // Whether any state may ever have to go.
  bool MayPrune() const { return !policy.empty() || ttl_s > 0 || !scope.empty(); }
};

Result<KeepRules> ParseKeep(const LineageSettings& settings);

// By the record's reason.
void AddHints(const KeepRules& rules, Record* record);

// kNotFound, with what to do, unless the scope, where there is one, is open in the store.
Status CheckScope(const Store& store, const KeepRules& rules);

}  // namespace stemma::lineage
