// Sums of squares that have the same bits on every rank, whatever the number of threads or shards
// and whatever vector unit the host has: a chunk of kChunk elements is added in 16 float lanes
// (element i in lane i mod 16), the lanes in order in double, the chunks in order in double. (OPTIM
// sections 9.4 and 15.) Library reductions are not used where replicas must agree: their order
// depends on sizes, alignment, threads and version.
//
//   double norm = std::sqrt(SumOfSquares(data, count, DType::kF32));
//
// A lane adds at most kChunk / 16 = 256 squares in float: relative error below 256 * 2^-24. Inf and
// NaN survive. Every part of a tensor that is a whole number of chunks can be summed apart:
// ChunkSumOfSquares of each, added in order, gives the same bits as one call.
//
// No LibTorch. Host memory. Pure functions; any thread.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace stemma::ops {

// Of `count` elements at `data`, f32 or f64. Chunks are counted from `data`, so it is a tensor's
// start or a chunk of it. REQUIRES: dtype is kF32 or kF64.
double SumOfSquares(const void* data, int64_t count, DType dtype);

// Of one chunk: 0 <= count <= kChunk. What optimizers call while a chunk is in the cache anyway.
double ChunkSumOfSquares(const float* data, int64_t count);
double ChunkSumOfSquares(const double* data, int64_t count);  // lanes in double

}  // namespace stemma::ops
