// Sums of squares that have the same bits on every rank, whatever the number of threads or shards:
// 16 float lanes per chunk of kChunk elements, lanes added in order in double, chunks added in order.
// (OPTIM section 9.4 and 15.)
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace stemma::ops {

// Of `count` elements at `data`, f32 or f64. Chunks are counted from `data`.
double SumOfSquares(const void* data, int64_t count, DType dtype);

}  // namespace stemma::ops
