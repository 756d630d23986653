// Marks say how long a state's bytes are wanted: pruned, kept, critical, a time to live, member of
// a scope. They are notes under reserved keys, so each is one durable frame in the segment of
// whoever set it, the newest wins, and none is ever erased. FORMAT.md lists the keys.
//
//   STEMMA_RETURN_IF_ERROR(store.Mark(id, kPrunedKey, std::string("diverged")));   // prune
//   if (IsPruned(graph, id)) ...
//   STEMMA_RETURN_IF_ERROR(UndoPrune(store, graph, id));                           // or says why
//   not
//
// A prune mark withdraws bytes: the node, its edges and metrics stay. It frees nothing by itself;
// the collector (collect.h) does, and only what no root wants (retention.h). Critical, time to live
// and scope may also come with the record, as attributes of the same names; a note wins over them.
// Plain functions over a loaded Graph; any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"

namespace stemma::lineage {

constexpr std::string_view kReservedPrefix = "stemma.";  // of a key: never set by hand

// On a state.
constexpr char kPrunedKey[] = "stemma.pruned";            // text: why; "": taken back
constexpr char kKeepKey[] = "stemma.keep";                // bool
constexpr char kCriticalKey[] = "stemma.critical";        // bool
constexpr char kTtlKey[] = "stemma.ttl_s";                // float, seconds; also on a scope
constexpr char kQuarantinedKey[] = "stemma.quarantined";  // text: why; "": taken back
std::string ScopeKey(std::string_view scope);             // "stemma.scope.<name>": bool, a member
// On ScopeTarget(name).
constexpr char kScopeNameKey[] = "stemma.name";  // text
constexpr char kScopeOpenKey[] = "stemma.open";  // bool
// On IncarnationTarget(run, number).
constexpr char kDeadKey[] = "stemma.dead";  // text: who says so and why

// What notes about something other than a state have in place of its id.
StateId ScopeTarget(std::string_view scope);
StateId IncarnationTarget(std::string_view run, uint32_t incarnation);

// The newest note of that key, else the record's attribute; nullptr: neither.
const AttributeValue* MarkOf(const Graph& graph, const StateId& id, std::string_view key);
bool IsMarked(const Graph& graph, const StateId& id, std::string_view key);  // true, or a text
std::optional<double> SecondsOf(const Graph& graph, const StateId& id, std::string_view key);

// By a note only: no record is born pruned.
bool IsPruned(const Graph& graph, const StateId& id);
bool IsQuarantined(const Graph& graph, const StateId& id);
std::string QuarantineOf(const Graph& graph, const StateId& id);  // why; "": it is not
// Another run, with at least one state that is not pruned, was forked from it.
bool IsForkPoint(const Graph& graph, const StateId& id);

// A lifetime that states share. A scope whose opener died stays open until its time to live has
// passed or somebody closes it.
struct Scope {
  std::string name;
  bool open = false;
  std::optional<double> ttl_s;
  std::vector<StateId> members;
};
std::map<std::string, Scope> ScopesOf(const Graph& graph);
// The same from the notes alone: without members.
std::map<std::string, Scope> ScopesIn(
    const std::map<StateId, std::map<std::string, AttributeValue>>& notes);

Status OpenScope(Store& store, const std::string& name, std::optional<double> ttl_s);
// kNotFound with the nearest name; kInvalidArgument when it is closed already.
Status CloseScope(Store& store, const Graph& graph, const std::string& name);
// Only into an open scope. As every reference to bytes: first the note, then a look whether they
// are there, and an error when they are not.
Status AddToScope(Store& store, const Graph& graph, const std::string& name, const StateId& state);

// A person's word on one state: its bytes stay, for good, or for so long after they were written.
// First the note, then a look whether they are there. kInvalidArgument when it is pruned.
Status Keep(Store& store, const Graph& graph, const StateId& state, std::optional<double> ttl_s);
// Takes that back, and what made it critical. kInvalidArgument when it is neither.
Status StopKeeping(Store& store, const Graph& graph, const StateId& state);

// Takes a prune back: looks for the bytes, cancels the mark, looks again. Where they are gone, the
// mark stays (or comes back) and the error says so.
Status UndoPrune(Store& store, const Graph& graph, const StateId& state);

}  // namespace stemma::lineage
