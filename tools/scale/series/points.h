// Which runs a scaling series consists of, and in which order: every number of ranks as often as it
// is repeated, the counts of one repeat in random order, one repeat after the other. A drift of the
// machine then disturbs all counts alike.
//
//   SeriesShape shape;
//   shape.ranks = {1, 2, 4};
//   STEMMA_ASSIGN_OR_RETURN(std::vector<Point> points, PointsOf(shape));    // 9, in running order
//
//   strong   the global batch is fixed, divided among the ranks
//   weak     the batch of a rank is fixed, as many steps everywhere
//   data     the batch of a rank is fixed, and so are the samples: twice the ranks make half the
//            steps. How HAL's curve was measured: strong in epochs, weak in batch
//
// The same seed gives the same order on any machine. Pure functions. Failure: kInvalidArgument says
// which number does not fit, and what would.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::scale {

struct SeriesShape {
  std::string mode = "strong";
  std::vector<int> ranks;  // sorted, none twice
  int ranks_per_node = 0;  // 0: all on one node
  int64_t batch = 32;      // strong: of all ranks; weak, data: of each
  int repeats = 3;
  int64_t steps = 200, warmup = 20;  // data: steps of the largest count
  uint64_t seed = 1;
};

struct Point {
  int nodes = 1, ranks = 1, repeat = 0;
  int64_t local_batch = 0, global_batch = 0;
  int64_t steps = 0, warmup = 0;
};

// "r4-0": four ranks, the first repeat. Names files, so it is the same in every invocation.
std::string NameOf(const Point& point);

Result<std::vector<Point>> PointsOf(const SeriesShape& shape);

// "1,2,4" as counts from 1 to 10 million, sorted. `flag` is for messages.
Result<std::vector<int>> ParseCounts(const std::string& text, const std::string& flag);

}  // namespace stemma::scale
