// Questions about the family tree, as pure functions over a loaded Graph: no I/O, no order but the
// one that parent edges give. A path means first parents: every state has at most one state that it
// went on from.
//
//   for (const StateId& id : MainLine(graph, graph.runs.at("laptop"))) ...   // head first
//   BytesOf(graph, record).own                                               // what it added to
//   disk
//
// Any thread. A parent that the graph does not hold (its log is torn or elsewhere) ends a walk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lineage/record.h"
#include "lineage/store.h"

namespace stemma::lineage {

// A replica differed when it was captured: kept for inspection, never a head.
bool IsSuspect(const Record& record);

// "base@1500", what people call a state.
std::string NameOfState(const Record& record);

// How it came about: the edge to its first parent. A root has none; it is an import when its
// attributes name the file that it came from, else the start of a run.
EdgeKind HowMade(const Record& record);
// The attribute of an imported state that names its file; text.
constexpr char kImportFile[] = "import.file";

// The state it went on from; nullopt at a root or where the graph ends.
std::optional<StateId> FirstParent(const Graph& graph, const StateId& id);

// What it was made of, all parents in the order of the record; what was made of it, ascending ids.
std::vector<StateId> Predecessors(const Graph& graph, const StateId& id);
std::vector<StateId> Successors(const Graph& graph, const StateId& id);

// `id` without itself, nearest first, each once, over all parents.
std::vector<StateId> Ancestors(const Graph& graph, const StateId& id);
// The same over all children.
std::vector<StateId> Descendants(const Graph& graph, const StateId& id);

// The head of `run` and the states before it along first parents, as far as they belong to the run.
// What a run holds beyond that is a side branch: a fenced process's late states, or states that a
// resume left behind.
std::vector<StateId> MainLine(const Graph& graph, const RunEntry& run);
std::vector<StateId> SideBranches(const Graph& graph, const RunEntry& run);

// Packs that no parent names are the state's own; the others came with a fork or a reshape, so a
// fork owns nothing. logical = what restoring it brings back.
struct StateBytes {
  uint64_t own = 0, shared = 0, logical = 0;
};
StateBytes BytesOf(const Graph& graph, const Record& record);

// What all states that are not pruned keep on disk: each pack once. What only pruned ones name is
// given up; it may lie there until a collector comes by.
uint64_t StoredBytes(const Graph& graph);

// Fills children and heads from states and the runs' lists; the last step of loading.
void LinkGraph(Graph* graph);

}  // namespace stemma::lineage
