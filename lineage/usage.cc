#include "lineage/usage.h"

#include <map>
#include <optional>
#include <set>

#include "lineage/names.h"

namespace stemma::lineage {
namespace {

// How many states name a pack, in the whole graph or in a group.
struct PackUse {
  uint64_t bytes = 0, states = 0;
};
using PackUses = std::map<ObjectId, PackUse>;

void Count(const Record& record, PackUses* uses) {
  std::set<ObjectId> seen;
  for (const PackRef& pack : record.packs) {
    if (!seen.insert(pack.pack).second) continue;
    PackUse& use = (*uses)[pack.pack];
    use.bytes = pack.bytes;
    ++use.states;
  }
}

GroupUsage Of(const Graph& graph, const PackUses& everybody, const std::string& name,
              const std::set<StateId>& states) {
  GroupUsage usage;
  usage.name = name;
  PackUses own;
  for (const StateId& id : states) {
    const auto found = graph.states.find(id);
    if (found == graph.states.end()) continue;
    ++usage.states;
    usage.logical += found->second.logical_bytes;
    Count(found->second, &own);
  }
  for (const auto& [pack, use] : own) {
    const bool only = everybody.at(pack).states == use.states;
    (only ? usage.exclusive : usage.shared) += use.bytes;
  }
  return usage;
}

std::set<ObjectId> Named(const Graph& graph) {
  std::set<ObjectId> ids;
  for (const auto& [id, record] : graph.states) {
    ids.insert({record.layout, record.settings.blob, record.environment});
    for (const PackRef& pack : record.packs) ids.insert(pack.pack);
  }
  return ids;
}

}  // namespace

std::vector<StateGroup> RunsAsGroups(const Graph& graph) {
  std::vector<StateGroup> groups;
  for (const auto& [name, run] : graph.runs) groups.push_back({name, run.states});
  return groups;
}

Usage UsageOf(const Graph& graph, const std::vector<StateGroup>& groups) {
  PackUses everybody;
  for (const auto& [id, record] : graph.states) Count(record, &everybody);
  Usage usage;
  for (const auto& [pack, use] : everybody) usage.stored += use.bytes;
  std::set<StateId> all;
  for (const StateGroup& group : groups) {
    const std::set<StateId> states(group.states.begin(), group.states.end());
    all.insert(states.begin(), states.end());
    usage.groups.push_back(Of(graph, everybody, group.name, states));
  }
  usage.all = Of(graph, everybody, "all", all);
  return usage;
}

Result<UnnamedBytes> UnnamedObjects(const Store& store, const Graph& graph) {
  const std::set<ObjectId> named = Named(graph);
  const Paths paths(store.path());
  UnnamedBytes found;
  for (const ObjectKind kind : {ObjectKind::kPack, ObjectKind::kLayout, ObjectKind::kBlob}) {
    for (const std::string& dir : paths.ObjectDirs(kind)) {
      STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> files, store.storage().List(dir));
      for (const std::string& file : files) {
        const std::optional<ObjectId> id = ParseObject(file);
        if (!id || named.count(*id)) continue;
        const Result<uint64_t> bytes = store.storage().SizeOf(dir + "/" + file);
        if (bytes.status().code() == Code::kNotFound) continue;  // gone since it was listed
        STEMMA_RETURN_IF_ERROR(bytes.status());
        ++found.objects;
        found.bytes += *bytes;
      }
    }
  }
  return found;
}

}  // namespace stemma::lineage
