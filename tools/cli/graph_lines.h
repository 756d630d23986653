// The family tree as text, newest state first: what `stemma log` prints. Pure functions over an
// Index, so that a test can compare the whole picture.
//
//   ● 5be1c07d  lamb1@18000  ep 57.5  loss 0.7412 (+0.0237)  stored 307 MB  logical 307 MB tag:best
//   ● 91ac44e2  lamb1@12000  ep 38.4  loss 0.7175            stored 0 B     logical 205 MB  fork:
//   ... │ ● 77d0b1f9  r50@18000 ... ├─╯ ● 2f09aa31  r50@12000 ...
//
// A lane belongs to a state until its parent is drawn; lanes that meet at one parent are joined in
// a line of their own, and a state with several parents (a stack) opens a lane for each of the
// others below it. The lane from a state that a reshape made is dashed (┆, in ASCII a colon).
// `stored` is what the state added to the disk, `logical` what restoring it brings back. A pruned
// state is an empty circle (o where the locale is not UTF-8).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "lineage/index.h"

namespace stemma::cli {

struct LogOptions {
  std::string metric = "loss";
  bool lanes = false;  // draw the tree
  size_t limit = 0;    // only the newest; 0: all
  bool utf8 = true;
};

// One state's line without its lanes.
struct LogRow {
  lineage::Row row = lineage::kNoRow;
  std::vector<std::string> cells;  // id, name, epoch, metric, stored, logical, notes
};

// One line of the picture. A line that only joins lanes has no row.
struct LogLine {
  std::string lanes;
  const LogRow* row = nullptr;
};

// Which rows are meant: one entry per row of the index.
using Selection = std::vector<bool>;
Selection AllRows(const lineage::Index& index);
Selection WithAncestors(const lineage::Index& index, lineage::Row row);

// Children before parents; among those that are free, the newest first. Only the first `limit`, so
// that a first screen does not pay for all; 0: all.
std::vector<lineage::Row> NewestFirst(const lineage::Index& index, const Selection& selected,
                                      size_t limit = 0);

LogRow RowOf(const lineage::Index& index, lineage::Row row, const std::string& metric,
             bool left_behind);

// The lanes of `rows`, in their order, and the lines that join them; `rows` outlives the result.
std::vector<LogLine> DrawLanes(const lineage::Index& index, const std::vector<LogRow>& rows,
                               bool utf8);

// States that their run has left behind: late ones of a fenced process, or those that a resume from
// an older state does not go on from.
Selection LeftBehind(const lineage::Index& index);

// The whole text, lines ended by line breaks.
std::string LogText(const lineage::Index& index, const Selection& selected,
                    const LogOptions& options);

}  // namespace stemma::cli
