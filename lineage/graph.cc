#include "lineage/graph.h"

#include <algorithm>
#include <deque>
#include <set>

#include "lineage/marks.h"

namespace stemma::lineage {
namespace {

// The newest state of the newest incarnation that has one; a suspect one never counts.
std::optional<StateId> HeadOf(const Graph& graph, const RunEntry& run) {
  std::optional<StateId> head;
  uint32_t incarnation = 0;
  for (const StateId& id : run.states) {
    const Record& record = graph.states.at(id);
    if (IsSuspect(record) || record.incarnation < incarnation) continue;
    head = id;
    incarnation = record.incarnation;
  }
  return head;
}

// What `next` leads to from `id`, nearest first, each once; without `id`.
std::vector<StateId> Reached(const Graph& graph, const StateId& id,
                             std::vector<StateId> (*next)(const Graph&, const StateId&)) {
  std::vector<StateId> out;
  std::set<StateId> seen = {id};
  std::deque<StateId> queue = {id};
  for (; !queue.empty(); queue.pop_front()) {
    for (const StateId& state : next(graph, queue.front())) {
      if (!seen.insert(state).second) continue;
      out.push_back(state);
      queue.push_back(state);
    }
  }
  return out;
}

}  // namespace

bool IsSuspect(const Record& record) { return record.audit.rfind("suspect", 0) == 0; }

std::string NameOfState(const Record& record) {
  return record.run_name + "@" + std::to_string(record.step);
}

EdgeKind HowMade(const Record& record) {
  if (!record.parents.empty()) return record.parents.front().kind;
  return record.attributes.count(kImportFile) ? EdgeKind::kImport : EdgeKind::kTrain;
}

std::optional<StateId> FirstParent(const Graph& graph, const StateId& id) {
  const auto found = graph.states.find(id);
  if (found == graph.states.end() || found->second.parents.empty()) return std::nullopt;
  const StateId& parent = found->second.parents.front().parent;
  return graph.states.count(parent) ? std::optional<StateId>(parent) : std::nullopt;
}

std::vector<StateId> Predecessors(const Graph& graph, const StateId& id) {
  std::vector<StateId> out;
  const auto found = graph.states.find(id);
  if (found == graph.states.end()) return out;
  for (const Edge& edge : found->second.parents) {
    if (graph.states.count(edge.parent)) out.push_back(edge.parent);
  }
  return out;
}

std::vector<StateId> Successors(const Graph& graph, const StateId& id) {
  const auto found = graph.children.find(id);
  return found == graph.children.end() ? std::vector<StateId>() : found->second;
}

std::vector<StateId> Ancestors(const Graph& graph, const StateId& id) {
  return Reached(graph, id, Predecessors);
}

std::vector<StateId> Descendants(const Graph& graph, const StateId& id) {
  return Reached(graph, id, Successors);
}

std::vector<StateId> MainLine(const Graph& graph, const RunEntry& run) {
  std::vector<StateId> out;
  std::optional<StateId> id = run.head;
  while (id && graph.states.at(*id).run == run.ulid && out.size() < graph.states.size()) {
    out.push_back(*id);
    id = FirstParent(graph, *id);
  }
  return out;
}

std::vector<StateId> SideBranches(const Graph& graph, const RunEntry& run) {
  const std::vector<StateId> line = MainLine(graph, run);
  const std::set<StateId> main(line.begin(), line.end());
  std::vector<StateId> out;
  for (const StateId& id : run.states) {
    if (!main.count(id)) out.push_back(id);
  }
  return out;
}

StateBytes BytesOf(const Graph& graph, const Record& record) {
  std::set<ObjectId> of_parents;
  for (const Edge& edge : record.parents) {
    const auto parent = graph.states.find(edge.parent);
    if (parent == graph.states.end()) continue;
    for (const PackRef& pack : parent->second.packs) of_parents.insert(pack.pack);
  }
  StateBytes bytes;
  bytes.logical = record.logical_bytes;
  for (const PackRef& pack : record.packs) {
    (of_parents.count(pack.pack) ? bytes.shared : bytes.own) += pack.bytes;
  }
  return bytes;
}

uint64_t StoredBytes(const Graph& graph) {
  std::set<ObjectId> seen;
  uint64_t bytes = 0;
  for (const auto& [id, record] : graph.states) {
    if (IsPruned(graph, id)) continue;
    for (const PackRef& pack : record.packs) {
      if (seen.insert(pack.pack).second) bytes += pack.bytes;
    }
  }
  return bytes;
}

void LinkGraph(Graph* graph) {
  graph->children.clear();
  for (const auto& [id, record] : graph->states) {
    for (const Edge& edge : record.parents) graph->children[edge.parent].push_back(id);
  }
  for (auto& [name, run] : graph->runs) run.head = HeadOf(*graph, run);
}

}  // namespace stemma::lineage
