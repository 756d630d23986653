#include "lineage/retention.h"

#include "core/text.h"
#include "lineage/graph.h"

namespace stemma::lineage {
namespace {

constexpr size_t kHeadsKept = kNewestKept;

}  // namespace

std::string IncarnationKey(const std::string& run, uint32_t incarnation) {
  return run + "/" + std::to_string(incarnation);
}

Roots::Roots(const Graph& graph, const LifeFacts& facts, bool forkpoints)
    : graph_(graph), facts_(facts), forkpoints_(forkpoints) {
  for (const auto& [name, tag] : graph.tags) fixed_.emplace(tag.target, "tag:" + name);
  for (const auto& [name, run] : graph.runs) {
    if (!facts.living.count(IncarnationKey(run.ulid, run.newest_incarnation))) continue;
    size_t newest = 0;
    for (const StateId& id : MainLine(graph, run)) {
      if (newest == kHeadsKept) break;
      if (IsQuarantined(graph, id)) {  // it takes nobody's place, and may be mended
        fixed_.emplace(id, "quarantined end of living run " + name);
        continue;
      }
      ++newest;
      fixed_.emplace(
          id, newest == 1 ? "head of living run " + name : "second newest of living run " + name);
    }
  }
  for (const auto& [name, scope] : ScopesOf(graph)) {
    const double ttl = scope.ttl_s.value_or(0);
    const std::optional<double> age = ttl > 0 ? facts.scope_age_s(name) : std::nullopt;
    const bool passed = age && *age > ttl;
    for (const StateId& id : scope.members) {
      if (scope.open && !passed) {
        open_.emplace(id, "open scope " + name);
      } else {
        over_.emplace(id, "scope " + name +
                              (scope.open ? " outlived its " + HumanDuration(ttl) : " is closed"));
      }
    }
  }
}

bool Roots::HasAge(const Record& record, double seconds) const {
  const std::optional<double> age = facts_.age_s(record);
  return age && *age > seconds;
}

std::string Roots::Why(const StateId& id) const {
  const auto state = graph_.states.find(id);
  if (state == graph_.states.end()) return "not in this store";
  if (const auto found = fixed_.find(id); found != fixed_.end()) return found->second;
  if (IsMarked(graph_, id, kKeepKey)) return "marked to be kept";
  if (IsMarked(graph_, id, kCriticalKey)) return "critical";
  if (const auto found = open_.find(id); found != open_.end()) return found->second;
  if (forkpoints_ && IsForkPoint(graph_, id)) return "fork point";
  const std::optional<double> ttl = SecondsOf(graph_, id, kTtlKey);
  if (ttl && !HasAge(state->second, *ttl)) return "time to live of " + HumanDuration(*ttl);
  if (!HasAge(state->second, facts_.grace_s)) {
    return "younger than " + HumanDuration(facts_.grace_s);
  }
  return "";
}

std::string Roots::WhyExpired(const StateId& id) const {
  const std::optional<double> ttl = SecondsOf(graph_, id, kTtlKey);
  if (ttl) return "time to live of " + HumanDuration(*ttl) + " has passed";
  const auto found = over_.find(id);
  return found == over_.end() ? "" : found->second;
}

std::map<StateId, std::string> LetGo(const Graph& graph, const LifeFacts& facts,
                                     const Policy& policy, const std::set<StateId>& among) {
  const Roots roots(graph, facts);
  const std::map<StateId, std::string> kept = KeptBy(graph, policy);
  const std::string outside = "policy: " + TextOf(policy);
  std::map<StateId, std::string> going;
  for (const StateId& id : among) {
    if (IsPruned(graph, id) || !roots.Why(id).empty()) continue;
    if (!policy.empty() && !kept.count(id)) going[id] = outside;
    if (!policy.empty()) continue;
    const std::string expired = roots.WhyExpired(id);
    if (!expired.empty()) going[id] = expired;
  }
  return going;
}

PrunePlan PlanPrune(const Graph& graph, const LifeFacts& facts, const std::set<StateId>& wanted) {
  const Roots roots(graph, facts);
  PrunePlan plan;
  std::set<StateId> going;
  for (const StateId& id : wanted) {
    PruneItem item;
    item.id = id;
    item.root = roots.Why(id);
    item.pruned = IsPruned(graph, id);
    if (item.root.empty()) going.insert(id);
    plan.items.push_back(item);
  }
  std::map<ObjectId, size_t> wanted_by;  // states that stay, or go now; not those long pruned
  std::set<ObjectId> stays;
  for (const auto& [id, record] : graph.states) {
    const bool goes = going.count(id) > 0;
    if (!goes && IsPruned(graph, id) && roots.Why(id).empty()) continue;
    std::set<ObjectId> own;  // a record may name a pack twice
    for (const PackRef& pack : record.packs) own.insert(pack.pack);
    for (const ObjectId& pack : own) {
      ++wanted_by[pack];
      if (!goes) stays.insert(pack);
    }
  }
  for (PruneItem& item : plan.items) {
    std::set<ObjectId> seen;
    for (const PackRef& pack : graph.states.at(item.id).packs) {
      if (!seen.insert(pack.pack).second) continue;
      const bool alone = wanted_by[pack.pack] <= 1 && !facts.held.count(pack.pack);
      (alone ? item.exclusive_bytes : item.shared_bytes) += pack.bytes;
      if (!going.count(item.id) || stays.count(pack.pack) || facts.held.count(pack.pack)) continue;
      if (plan.freed_packs.insert(pack.pack).second) plan.freed_bytes += pack.bytes;
    }
  }
  return plan;
}

}  // namespace stemma::lineage
