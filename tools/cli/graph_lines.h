// The family tree as text, newest state first: what `stemma log` prints. Pure functions over a
// loaded Graph, so that a test can compare the whole picture.
//
//   ● 5be1c07d  lamb1@18000  ep 57.5  loss 0.7412 (+0.0237)  stored 307 MB  logical 307 MB tag:best
//   ● 91ac44e2  lamb1@12000  ep 38.4  loss 0.7175            stored 0 B     logical 205 MB  fork:
//   ... │ ● 77d0b1f9  r50@18000 ... ├─╯ ● 2f09aa31  r50@12000 ...
//
// A lane belongs to a state until its parent is drawn; lanes that meet at one parent are joined in
// a line of their own. `stored` is what the state added to the disk, `logical` what restoring it
// brings back. A pruned state is an empty circle (o where the locale is not UTF-8).
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "lineage/store.h"

namespace stemma::cli {

struct LogOptions {
  std::string metric = "loss";
  bool lanes = false;  // draw the tree
  size_t limit = 0;    // only the newest; 0: all
  bool utf8 = true;
};

// One state's line without its lanes.
struct LogRow {
  lineage::StateId id;
  std::vector<std::string> cells;  // id, name, epoch, metric, stored, logical, notes
};

// One line of the picture. A line that only joins lanes has no row.
struct LogLine {
  std::string lanes;
  const LogRow* row = nullptr;
};

// Children before parents; among those that are free, the newest first.
std::vector<lineage::StateId> NewestFirst(const lineage::Graph& graph,
                                          const std::set<lineage::StateId>& states);

LogRow RowOf(const lineage::Graph& graph, const lineage::StateId& id, const std::string& metric,
             bool left_behind);

// The lanes of `order` and the lines that join them; `rows` runs parallel to `order` and outlives
// the result.
std::vector<LogLine> DrawLanes(const lineage::Graph& graph, const std::vector<LogRow>& rows,
                               bool utf8);

// States that their run has left behind: late ones of a fenced process, or those that a resume from
// an older state does not go on from.
std::set<lineage::StateId> LeftBehind(const lineage::Graph& graph);

// The whole text, lines ended by line breaks.
std::string LogText(const lineage::Graph& graph, const std::set<lineage::StateId>& states,
                    const LogOptions& options);

}  // namespace stemma::cli
