// Gives up the bytes of stages that nothing of a sweep needs any more. Which those are, StageTree
// says (Prunable: on the path of no live trial, so never an ancestor of one).
//
//   STEMMA_ASSIGN_OR_RETURN(const size_t states,
//                           PruneStages(store, "lr", graph, standing, ids, "stopped"));
//
// While the sweep's scope is open its members keep their bytes; so a stage leaves the scope first,
// and is marked then, by the rules of `stemma prune`: what a tag, another open scope or a living
// run's head holds stays. Node, metrics and edges stay in any case, and so do the bytes that a fork
// elsewhere shares. `stemma gc` frees the rest.
//
// One thread. Failure: as the store.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"
#include "tools/sweep/standing.h"

namespace stemma::sweep {

// How many states were marked.
Result<size_t> PruneStages(lineage::Store& store, const std::string& sweep,
                           const lineage::Graph& graph, const Standing& standing,
                           const std::vector<StageId>& stages, const std::string& why);

}  // namespace stemma::sweep
