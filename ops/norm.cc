#include "ops/norm.h"

#include <algorithm>

#include "core/check.h"
#include "ops/plan.h"

namespace stemma::ops {
namespace {

constexpr int kLanes = 16;

template <typename T>
double ChunkSum(const T* data, int64_t count) {
  T lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += data[i + lane] * data[i + lane];
  }
  for (int lane = 0; i < count; ++i, ++lane) lanes[lane] += data[i] * data[i];
  double sum = 0;
  for (T lane : lanes) sum += static_cast<double>(lane);
  return sum;
}

template <typename T>
double Sum(const T* data, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; i += kChunk) {
    sum += ChunkSum(data + i, std::min(kChunk, count - i));
  }
  return sum;
}

}  // namespace

double ChunkSumOfSquares(const float* data, int64_t count) { return ChunkSum(data, count); }
double ChunkSumOfSquares(const double* data, int64_t count) { return ChunkSum(data, count); }

double SumOfSquares(const void* data, int64_t count, DType dtype) {
  STEMMA_CHECK(dtype == DType::kF32 || dtype == DType::kF64,
               "a sum of squares of " + std::string(NameOf(dtype)));
  if (dtype == DType::kF64) return Sum(static_cast<const double*>(data), count);
  return Sum(static_cast<const float*>(data), count);
}

}  // namespace stemma::ops
