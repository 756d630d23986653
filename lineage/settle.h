// Which of the states in the logs count, and in which order: what the logs of all runs say about
// each other. The rules of Store::Load() and IndexOf(), on numbers instead of maps. Not for users.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lineage/index.h"
#include "lineage/run_rows.h"

namespace stemma::lineage::internal {

// One state of some run's list.
struct Place {
  uint32_t run = 0, state = 0;
};

// Ids are digests already: eight of their bytes are a hash.
struct IdHash {
  size_t operator()(std::string_view id) const;
};

struct Settled {
  std::vector<Place> rows;                     // by row: parents before children, else the older
  std::vector<std::vector<Row>> rows_of_runs;  // by run, in the order of its logs
  std::unordered_map<std::string_view, Row, IdHash> row_of;
};

// A state that is there twice counts once, at its first place. A withdrawn one counts only where a
// state that counts was made from it.
Settled Settle(const std::vector<RunRows>& runs);

}  // namespace stemma::lineage::internal
