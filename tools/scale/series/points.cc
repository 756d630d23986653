#include "tools/scale/series/points.h"

#include <algorithm>
#include <numeric>

#include "core/random.h"
#include "tools/scale/run_table.h"

namespace stemma::scale {
namespace {

constexpr int kMostCounts = 64, kMostRanks = 10000000;
constexpr int64_t kMostSteps = 1000000000;

Status Refuse(const std::string& what) { return {Code::kInvalidArgument, what}; }

Status CheckShape(const SeriesShape& shape) {
  const std::vector<std::string>& modes = RunModes();
  if (std::find(modes.begin(), modes.end(), shape.mode) == modes.end()) {
    return Refuse("--mode: '" + shape.mode + "' is none of strong, weak and data");
  }
  if (shape.ranks.empty()) return Refuse("no number of ranks: give --ranks=1,2,4");
  if (shape.repeats < 1 || shape.repeats > 1000) return Refuse("--repeats: 1 to 1000");
  if (shape.steps < 5 || shape.steps > kMostSteps) {
    return Refuse("--steps: at least 5, of which quantiles can be told; 200 are asked for");
  }
  if (shape.warmup < 1 || shape.warmup > kMostSteps) {
    return Refuse("--warmup: at least 1 step; the first one is never like the others");
  }
  if (shape.batch < 1 || shape.batch > 1000000000) return Refuse("the batch: 1 to 1000000000");
  return {};
}

// Samples / local batch of a series of mode data: a multiple of all counts, so that each trains the
// same number of samples.
Result<int64_t> SharedWork(const SeriesShape& shape) {
  int64_t multiple = 1;
  for (const int ranks : shape.ranks) {
    multiple = std::lcm(multiple, static_cast<int64_t>(ranks));
    if (multiple > kMostSteps) {
      return Refuse(
          "--mode=data: the counts have no small common multiple, so they cannot train "
          "the same samples in whole steps; take powers of two");
    }
  }
  const int64_t wanted = shape.steps * shape.ranks.back();
  return (wanted + multiple - 1) / multiple * multiple;
}

}  // namespace

std::string NameOf(const Point& point) {
  return "r" + std::to_string(point.ranks) + "-" + std::to_string(point.repeat);
}

Result<std::vector<Point>> PointsOf(const SeriesShape& shape) {
  STEMMA_RETURN_IF_ERROR(CheckShape(shape));
  int64_t work = 0;
  if (shape.mode == "data") {
    STEMMA_ASSIGN_OR_RETURN(work, SharedWork(shape));
  }
  std::vector<Point> one_repeat;
  for (const int ranks : shape.ranks) {
    Point point;
    point.ranks = ranks;
    const int per_node = shape.ranks_per_node > 0 ? shape.ranks_per_node : ranks;
    point.nodes = (ranks + per_node - 1) / per_node;
    const bool strong = shape.mode == "strong";
    if (strong && shape.batch % ranks != 0) {
      return Refuse("--mode=strong: a global batch of " + std::to_string(shape.batch) +
                    " does not divide among " + std::to_string(ranks) +
                    " ranks; choose a --batch that all counts divide, or --mode=weak");
    }
    point.local_batch = strong ? shape.batch / ranks : shape.batch;
    point.global_batch = point.local_batch * ranks;
    point.steps = work > 0 ? work / ranks : shape.steps;
    point.warmup = shape.warmup;
    one_repeat.push_back(point);
  }
  std::vector<Point> all;
  for (int repeat = 0; repeat < shape.repeats; ++repeat) {
    Random draw(Key({shape.seed, static_cast<uint64_t>(repeat)}), "order of a scaling series");
    std::vector<Point> order = one_repeat;
    for (size_t left = order.size(); left > 1; --left) {
      std::swap(order[left - 1], order[draw.Below(left)]);
    }
    for (Point& point : order) {
      point.repeat = repeat;
      all.push_back(point);
    }
  }
  return all;
}

Result<std::vector<int>> ParseCounts(const std::string& text, const std::string& flag) {
  std::vector<int> counts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    const bool digits = !word.empty() && word.size() <= 8 &&
                        word.find_first_not_of("0123456789") == std::string::npos;
    const int count = digits ? std::stoi(word) : 0;
    if (count < 1 || count > kMostRanks) {
      return Refuse(flag + ": '" + word + "' is no number from 1 to 10000000, as in 1,2,4");
    }
    if (std::find(counts.begin(), counts.end(), count) != counts.end()) {
      return Refuse(flag + ": " + word + " stands there twice; --repeats says how often");
    }
    counts.push_back(count);
    begin = end + 1;
  }
  if (counts.size() > kMostCounts) return Refuse(flag + ": at most 64 counts");
  std::sort(counts.begin(), counts.end());
  return counts;
}

}  // namespace stemma::scale
