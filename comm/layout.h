// Which ranks share a node. Pure functions.
//
//   STEMMA_ASSIGN_OR_RETURN(Layout layout, ParseLayout("0,1|2,3", 4));
//   layout.nodes[1]        // {2, 3}
//   layout.NodeOf(3)       // 1
//   layout.InRankOrder()   // true: every node holds neighbours, node after node
//
// Nodes are in the order of their lowest ranks; a node's ranks ascend.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::comm {

struct Layout {
  std::vector<std::vector<int>> nodes;

  int NodeOf(int rank) const;
  int PlaceOf(int rank) const;  // on its node: 0, 1, ...
  bool InRankOrder() const;
  int SmallestNode() const;  // the fewest ranks of a node
  int LargestNode() const;   // the most
  std::string Text() const;  // "0,1|2,3"
};

// kInvalidArgument unless the list names every rank below `ranks` exactly once. For tests on one
// machine: comm.fake_nodes.
Result<Layout> ParseLayout(const std::string& text, int ranks);

// Nodes of `ranks_per_node` neighbours; the last may have fewer. REQUIRES: both above 0
Layout EqualNodes(int ranks, int ranks_per_node);

// Ranks with the same key share a node.
Layout LayoutOf(const std::vector<std::string>& key_by_rank);

}  // namespace stemma::comm
