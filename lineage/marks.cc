#include "lineage/marks.h"

#include "core/bytes.h"
#include "core/digest.h"
#include "core/text.h"
#include "lineage/graph.h"
#include "lineage/names.h"

namespace stemma::lineage {
namespace {

constexpr std::string_view kScopeKeyPrefix = "stemma.scope.";

const AttributeValue* NoteOf(const Graph& graph, const StateId& id, std::string_view key) {
  const auto notes = graph.notes.find(id);
  if (notes == graph.notes.end()) return nullptr;
  const auto note = notes->second.find(std::string(key));
  return note == notes->second.end() ? nullptr : &note->second;
}

bool Says(const AttributeValue* value) {
  if (value == nullptr) return false;
  if (const bool* yes = std::get_if<bool>(value)) return *yes;
  const std::string* text = std::get_if<std::string>(value);
  return text != nullptr && !text->empty();
}

std::optional<double> SecondsIn(const AttributeValue& value) {
  if (const double* seconds = std::get_if<double>(&value)) return *seconds;
  if (const int64_t* seconds = std::get_if<int64_t>(&value)) return static_cast<double>(*seconds);
  return std::nullopt;
}

Result<Scope> FindScope(const Graph& graph, const std::string& name) {
  const std::map<std::string, Scope> scopes = ScopesOf(graph);
  const auto found = scopes.find(name);
  if (found != scopes.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [known, scope] : scopes) names.push_back(known);
  const std::string meant = Nearest(name, names);
  return Status(Code::kNotFound, "no scope is called '" + name + "'" +
                                     (meant.empty() ? "; `stemma scope open " + name + "` makes it"
                                                    : "; did you mean '" + meant + "'?"));
}

}  // namespace

std::string ScopeKey(std::string_view scope) {
  return std::string(kScopeKeyPrefix) + std::string(scope);
}
StateId ScopeTarget(std::string_view scope) { return Sha256("scope:" + std::string(scope)); }
StateId IncarnationTarget(std::string_view run, uint32_t incarnation) {
  return Sha256("incarnation:" + std::string(run) + "/" + std::to_string(incarnation));
}

const AttributeValue* MarkOf(const Graph& graph, const StateId& id, std::string_view key) {
  if (const AttributeValue* note = NoteOf(graph, id, key)) return note;
  const auto state = graph.states.find(id);
  if (state == graph.states.end()) return nullptr;
  const auto attribute = state->second.attributes.find(std::string(key));
  return attribute == state->second.attributes.end() ? nullptr : &attribute->second;
}

bool IsMarked(const Graph& graph, const StateId& id, std::string_view key) {
  return Says(MarkOf(graph, id, key));
}

std::optional<double> SecondsOf(const Graph& graph, const StateId& id, std::string_view key) {
  const AttributeValue* value = MarkOf(graph, id, key);
  return value == nullptr ? std::nullopt : SecondsIn(*value);
}

bool IsPruned(const Graph& graph, const StateId& id) { return Says(NoteOf(graph, id, kPrunedKey)); }
bool IsQuarantined(const Graph& graph, const StateId& id) {
  return !QuarantineOf(graph, id).empty();
}
std::string QuarantineOf(const Graph& graph, const StateId& id) {
  const AttributeValue* const note = NoteOf(graph, id, kQuarantinedKey);
  const std::string* const why = note == nullptr ? nullptr : std::get_if<std::string>(note);
  return why == nullptr ? "" : *why;
}

bool IsForkPoint(const Graph& graph, const StateId& id) {
  const auto children = graph.children.find(id);
  if (children == graph.children.end()) return false;
  for (const StateId& child : children->second) {
    const Record& record = graph.states.at(child);
    if (record.run == graph.states.at(id).run) continue;
    const auto run = graph.runs.find(record.run_name);
    if (run == graph.runs.end()) return true;
    for (const StateId& state : run->second.states) {
      if (!IsPruned(graph, state)) return true;
    }
  }
  return false;
}

std::map<std::string, Scope> ScopesIn(
    const std::map<StateId, std::map<std::string, AttributeValue>>& all) {
  std::map<std::string, Scope> scopes;
  for (const auto& [target, notes] : all) {
    const auto name = notes.find(kScopeNameKey);
    if (name == notes.end() || !std::holds_alternative<std::string>(name->second)) continue;
    Scope scope;
    scope.name = std::get<std::string>(name->second);
    if (ScopeTarget(scope.name) != target) continue;
    const auto open = notes.find(kScopeOpenKey), ttl = notes.find(kTtlKey);
    scope.open = open != notes.end() && Says(&open->second);
    if (ttl != notes.end()) scope.ttl_s = SecondsIn(ttl->second);
    scopes[scope.name] = std::move(scope);
  }
  return scopes;
}

std::map<std::string, Scope> ScopesOf(const Graph& graph) {
  std::map<std::string, Scope> scopes = ScopesIn(graph.notes);
  const auto join = [&](const StateId& id, const std::map<std::string, AttributeValue>& marks) {
    for (auto at = marks.lower_bound(std::string(kScopeKeyPrefix)); at != marks.end(); ++at) {
      if (at->first.rfind(kScopeKeyPrefix, 0) != 0) break;
      const auto scope = scopes.find(at->first.substr(kScopeKeyPrefix.size()));
      if (scope == scopes.end() || !IsMarked(graph, id, at->first)) continue;
      std::vector<StateId>& members = scope->second.members;
      if (members.empty() || members.back() != id) members.push_back(id);
    }
  };
  for (const auto& [id, record] : graph.states) {
    join(id, record.attributes);
    if (const auto notes = graph.notes.find(id); notes != graph.notes.end()) {
      join(id, notes->second);
    }
  }
  return scopes;
}

Status OpenScope(Store& store, const std::string& name, std::optional<double> ttl_s) {
  STEMMA_RETURN_IF_ERROR(CheckName("scope", name));
  if (ttl_s && !(*ttl_s > 0)) {
    return {Code::kInvalidArgument, "a scope's time to live is more than 0 seconds"};
  }
  const StateId target = ScopeTarget(name);
  STEMMA_RETURN_IF_ERROR(store.Mark(target, kScopeNameKey, name));
  // 0: no limit, and none left of an earlier opening.
  STEMMA_RETURN_IF_ERROR(store.Mark(target, kTtlKey, ttl_s.value_or(0)));
  return store.Mark(target, kScopeOpenKey, true);
}

Status CloseScope(Store& store, const Graph& graph, const std::string& name) {
  STEMMA_ASSIGN_OR_RETURN(const Scope scope, FindScope(graph, name));
  if (!scope.open) return {Code::kInvalidArgument, "scope '" + name + "' is closed already"};
  return store.Mark(ScopeTarget(name), kScopeOpenKey, false);
}

Status AddToScope(Store& store, const Graph& graph, const std::string& name, const StateId& state) {
  STEMMA_ASSIGN_OR_RETURN(const Scope scope, FindScope(graph, name));
  if (!scope.open) {
    return {Code::kInvalidArgument,
            "scope '" + name + "' is closed: `stemma scope open " + name + "` opens it again"};
  }
  STEMMA_RETURN_IF_ERROR(store.Mark(state, ScopeKey(name), true));
  return store.EnsurePacks(graph.states.at(state), IfPruned::kRefuse);
}

Status Keep(Store& store, const Graph& graph, const StateId& state, std::optional<double> ttl_s) {
  const Record& record = graph.states.at(state);
  if (ttl_s && !(*ttl_s > 0)) {
    return {Code::kInvalidArgument, "a time to live is more than 0 seconds"};
  }
  if (IsPruned(graph, state)) {
    return {Code::kInvalidArgument, NameOfState(record) +
                                        " is pruned: `stemma prune --undo` takes that back, as "
                                        "long as its bytes are there"};
  }
  STEMMA_RETURN_IF_ERROR(ttl_s ? store.Mark(state, kTtlKey, *ttl_s)
                               : store.Mark(state, kKeepKey, true));
  return store.EnsurePacks(record, IfPruned::kRefuse);
}

Status StopKeeping(Store& store, const Graph& graph, const StateId& state) {
  bool found = false;
  for (const char* key : {kKeepKey, kCriticalKey}) {
    if (!IsMarked(graph, state, key)) continue;
    STEMMA_RETURN_IF_ERROR(store.Mark(state, key, false));
    found = true;
  }
  if (found) return {};
  return {Code::kInvalidArgument,
          NameOfState(graph.states.at(state)) + " is neither marked to be kept nor critical"};
}

Status UndoPrune(Store& store, const Graph& graph, const StateId& state) {
  const Record& record = graph.states.at(state);
  if (!IsPruned(graph, state)) {
    return {Code::kInvalidArgument, NameOfState(record) + " is not pruned"};
  }
  STEMMA_RETURN_IF_ERROR(store.EnsurePacks(record, IfPruned::kBringBack));
  STEMMA_RETURN_IF_ERROR(store.Mark(state, kPrunedKey, std::string()));
  const Status there = store.EnsurePacks(record, IfPruned::kBringBack);
  if (there.ok()) return {};
  STEMMA_RETURN_IF_ERROR(store.Mark(state, kPrunedKey, std::string("its bytes are gone")));
  return Status(there).Within("the prune of " + NameOfState(record) + " cannot be undone any more");
}

}  // namespace stemma::lineage
