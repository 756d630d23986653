#include "models/data/order.h"

#include <cmath>
#include <vector>

#include <catch2/catch.hpp>

namespace stemma::models {
namespace {

bool IsBijection(const SampleOrder& order, uint64_t epoch) {
  std::vector<bool> seen(static_cast<size_t>(order.size()), false);
  for (int64_t i = 0; i < order.size(); ++i) {
    const int64_t id = order.At(epoch, i);
    if (id < 0 || id >= order.size() || seen[static_cast<size_t>(id)]) return false;
    seen[static_cast<size_t>(id)] = true;
  }
  return true;
}

TEST_CASE("order: a sample is never read twice in an epoch, nor left out") {
  for (const int64_t size : {int64_t{1}, int64_t{2}, int64_t{7}, int64_t{1000}}) {
    for (uint64_t epoch = 0; epoch < 20; ++epoch) {
      INFO("size " << size << " epoch " << epoch);
      CHECK(IsBijection(SampleOrder(1, size), epoch));
    }
  }
  CHECK(IsBijection(SampleOrder(7, (int64_t{1} << 20) + 1), 3));
}

std::vector<int64_t> First(uint64_t seed, uint64_t epoch, int64_t size) {
  const SampleOrder order(seed, size);
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < 16; ++i) ids.push_back(order.At(epoch, i));
  return ids;
}

// From tests/golden/data/gw/order_golden.py, written from the header's text alone.
TEST_CASE("order: another build cannot train on another order") {
  using Ids = std::vector<int64_t>;
  CHECK(First(1, 0, 1000) == Ids{568, 734, 256, 815, 270, 126, 354, 614,  //
                                 727, 638, 239, 204, 265, 511, 356, 551});
  CHECK(First(1, 1, 1000) == Ids{721, 254, 285, 345, 606, 611, 42, 584,  //
                                 867, 391, 169, 541, 855, 410, 354, 69});
  CHECK(First(2, 0, 1000) == Ids{361, 551, 189, 771, 793, 435, 101, 99,  //
                                 586, 326, 403, 976, 770, 308, 823, 246});
  CHECK(First(~uint64_t{0}, uint64_t{1} << 32, (1 << 20) + 1) ==
        Ids{1001636, 462004, 899548, 620967, 1024539, 332243, 868171, 571778,  //
            565833, 986745, 412092, 1026616, 371147, 926146, 834491, 481761});
}

// Every id equally often at every position: chi-square over 10,000 epochs. For 9*10 degrees of
// freedom the mean is about 81 (rows and columns are fixed), so 150 is far outside chance.
TEST_CASE("order: no sample prefers a place in the epoch") {
  constexpr int64_t kSize = 10;
  constexpr int kEpochs = 10000;
  const SampleOrder order(1, kSize);
  std::vector<double> counts(kSize * kSize, 0);
  for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    for (int64_t i = 0; i < kSize; ++i) {
      counts[static_cast<size_t>(i * kSize + order.At(epoch, i))] += 1;
    }
  }
  const double expected = kEpochs / static_cast<double>(kSize);
  double chi_square = 0;
  for (const double count : counts)
    chi_square += (count - expected) * (count - expected) / expected;
  CHECK(chi_square < 150);
  CHECK(chi_square > 30);  // and not suspiciously even
}

TEST_CASE("order: neighbouring seeds and epochs share no order") {
  CHECK(First(1, 1, 1000) != First(2, 0, 1000));
  CHECK(First(1, 0, 1000) != First(1, uint64_t{1} << 32, 1000));
}

}  // namespace
}  // namespace stemma::models
