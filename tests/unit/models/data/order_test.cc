#include "models/data/order.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <thread>
#include <vector>

#include "models/data/window_order.h"

#include <catch2/catch.hpp>

namespace stemma::models {
namespace {

template <typename Order>
bool IsBijection(const Order& order, uint64_t epoch) {
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

TEST_CASE("window order: a sample is never read twice in an epoch, nor left out") {
  const std::vector<int64_t> cases[] = {
      {1}, {7}, {1, 1}, {0, 3, 0, 0, 2, 0}, {5, 3, 8, 1, 7}, std::vector<int64_t>(37, 11)};
  for (const std::vector<int64_t>& groups : cases) {
    for (const int64_t window : {1, 2, 3, 16, 1000}) {
      for (uint64_t epoch = 0; epoch < 10; ++epoch) {
        INFO(groups.size() << " groups, window " << window << ", epoch " << epoch);
        CHECK(IsBijection(WindowOrder(1, groups, window), epoch));
      }
    }
  }
}

// From tests/golden/data/gw/window_order_golden.py, written from the header's text alone.
TEST_CASE("window order: another build cannot train on another order") {
  const auto first = [](uint64_t seed, uint64_t epoch, int64_t window,
                        const std::vector<int64_t>& groups) {
    const WindowOrder order(seed, groups, window);
    std::vector<int64_t> ids;
    for (int64_t i = 0; i < 16; ++i) ids.push_back(order.At(epoch, i));
    return ids;
  };
  using Ids = std::vector<int64_t>;
  const Ids small = {5, 3, 8, 1, 7};
  CHECK(first(1, 0, 2, small) == Ids{2, 1, 3, 0, 16, 4, 8, 10, 20, 18, 22, 19, 15, 9, 13, 12});
  CHECK(first(1, 1, 2, small) == Ids{19, 6, 20, 23, 18, 5, 17, 21, 7, 22, 12, 0, 11, 4, 15, 3});
  Ids many;
  for (int64_t i = 0; i < 147; ++i) many.push_back(2613 + i % 7);
  CHECK(first(9, uint64_t{1} << 32, 16, many) ==
        Ids{325578, 121515, 317911, 10164, 253541, 184318, 161792, 252651,  //
            184612, 293941, 292993, 91917, 325300, 366526, 92478, 382554});
  CHECK(first(1, 0, 16, {1000}) == Ids{883, 131, 517, 126, 810, 849, 255, 941,  //
                                       704, 474, 715, 643, 261, 564, 698, 442});
}

TEST_CASE("window order: a window's positions are its groups' samples, and no other's") {
  const std::vector<int64_t> groups(10, 20);
  const WindowOrder order(3, groups, 4);
  std::set<std::vector<int64_t>> seen;
  for (uint64_t epoch = 0; epoch < 20; ++epoch) {
    const std::vector<int64_t> in_order = order.GroupsOf(epoch);
    seen.insert(in_order);
    for (int64_t i = 0; i < 200; ++i) {
      const int64_t window = i / 80, group = order.At(epoch, i) / 20;
      const auto begin = in_order.begin() + window * 4;
      const auto end = in_order.begin() + std::min<int64_t>(10, window * 4 + 4);
      CHECK(std::find(begin, end, group) != end);
    }
  }
  CHECK(seen.size() > 15);  // and epochs differ in the order of groups
}

TEST_CASE("window order: threads in different epochs find what one alone finds") {
  const WindowOrder order(5, {5, 3, 8, 1, 7, 9, 2}, 2), alone(5, {5, 3, 8, 1, 7, 9, 2}, 2);
  std::vector<std::vector<int64_t>> found(6);
  std::vector<std::thread> threads;
  for (uint64_t epoch = 0; epoch < found.size(); ++epoch) {
    threads.emplace_back([&, epoch] {
      for (int64_t i = 0; i < order.size(); ++i) found[epoch].push_back(order.At(epoch, i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (uint64_t epoch = 0; epoch < found.size(); ++epoch) {
    for (int64_t i = 0; i < alone.size(); ++i) {
      CHECK(found[epoch][static_cast<size_t>(i)] == alone.At(epoch, i));
    }
  }
}

TEST_CASE("order: neighbouring seeds and epochs share no order") {
  CHECK(First(1, 1, 1000) != First(2, 0, 1000));
  CHECK(First(1, 0, 1000) != First(1, uint64_t{1} << 32, 1000));
}

}  // namespace
}  // namespace stemma::models
