#include "ops/norm.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/random.h"
#include "ops/plan.h"

#include <catch2/catch.hpp>

namespace stemma::ops {
namespace {

std::vector<float> Draw(int64_t count) {
  Random draw(Key({7}), "norm_test");
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(draw.Normal()));
  return values;
}

// The definition, written as slowly as it reads.
double Reference(const std::vector<float>& values) {
  double sum = 0;
  for (size_t begin = 0; begin < values.size(); begin += kChunk) {
    const size_t end = std::min(values.size(), begin + static_cast<size_t>(kChunk));
    double chunk = 0;
    for (size_t lane = 0; lane < 16; ++lane) {
      volatile float lane_sum = 0;  // volatile: no compiler may reorder or widen this one
      for (size_t i = begin + lane; i < end; i += 16) {
        const volatile float square = values[i] * values[i];
        lane_sum = lane_sum + square;
      }
      chunk += static_cast<double>(lane_sum);
    }
    sum += chunk;
  }
  return sum;
}

TEST_CASE("small integers have exact sums of squares") {
  std::vector<float> floats;
  std::vector<double> doubles;
  for (int i = 0; i < 10000; ++i) {
    floats.push_back(static_cast<float>(i % 8));
    doubles.push_back(i % 8);
  }
  CHECK(SumOfSquares(floats.data(), 10000, DType::kF32) == 1250 * 140);  // 0+1+4+...+49 = 140
  CHECK(SumOfSquares(doubles.data(), 10000, DType::kF64) == 1250 * 140);
  CHECK(SumOfSquares(floats.data(), 0, DType::kF32) == 0);
  CHECK(SumOfSquares(floats.data() + 3, 1, DType::kF32) == 9);
}

TEST_CASE("the order of summation is the documented one, to the bit, for any length") {
  for (int64_t count : {1, 15, 16, 17, 4095, 4096, 4097, 100001}) {
    INFO("count " << count);
    const std::vector<float> values = Draw(count);
    CHECK(SumOfSquares(values.data(), count, DType::kF32) == Reference(values));
  }
}

TEST_CASE("shards cut at chunks give the same bits as the whole") {
  const std::vector<float> values = Draw(5 * kChunk + 123);
  double sum = 0;
  for (int64_t i = 0; i < 6; ++i) {
    sum += ChunkSumOfSquares(values.data() + i * kChunk, i < 5 ? kChunk : 123);
  }
  CHECK(sum == SumOfSquares(values.data(), 5 * kChunk + 123, DType::kF32));
  const std::vector<double> wide(values.begin(), values.end());
  sum = 0;
  for (int64_t i = 0; i < 6; ++i) {
    sum += ChunkSumOfSquares(wide.data() + i * kChunk, i < 5 ? kChunk : 123);
  }
  CHECK(sum == SumOfSquares(wide.data(), 5 * kChunk + 123, DType::kF64));
}

TEST_CASE("a misaligned start changes no bit") {
  const std::vector<float> values = Draw(kChunk * 2);
  std::vector<float> moved(values.size() + 1);
  std::copy(values.begin(), values.end(), moved.begin() + 1);
  CHECK(SumOfSquares(moved.data() + 1, kChunk * 2, DType::kF32) ==
        SumOfSquares(values.data(), kChunk * 2, DType::kF32));
}

TEST_CASE("one value that is not finite is never averaged away") {
  std::vector<float> values = Draw(3 * kChunk);
  values[kChunk + 5] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(SumOfSquares(values.data(), 3 * kChunk, DType::kF32)));
  values[kChunk + 5] = -std::numeric_limits<float>::infinity();
  CHECK(std::isinf(SumOfSquares(values.data(), 3 * kChunk, DType::kF32)));
}

}  // namespace
}  // namespace stemma::ops
