// Batch norm along rows and the activation behind it in one pass each way, float32 on the host:
//
//   y = f(scale (x - mean) / sqrt(variance + epsilon) + shift)        f: relu, tanh, logistic, none
//
// A row of some thousand values stays in the cache for all its passes: mean, then variance around
// it, then y with its activation. LibTorch has a function, and a walk over memory, for each step.
//
// Sums are made in float over 32 values for each of 16 lanes and in double from there: their
// relative error is below 1e-7. The exponential is a polynomial, within 2e-7: the bits depend
// neither on the C library nor on the processor.
//
// Plain loops, no LibTorch; any thread.
#pragma once

#include <cstdint>

namespace stemma::models {

enum class Activation { kNone, kRelu, kTanh, kLogistic };

struct RowScale {
  float scale = 1, shift = 0;
};

// Of one row: what backward needs, and what running statistics take.
struct RowMoments {
  float mean = 0, inverse = 0;  // inverse: 1 / sqrt(variance + epsilon)
  double variance = 0;          // the sum of squares around the mean, divided by n
};

// REQUIRES: n > 0; y may be x
RowMoments NormRow(const float* x, int64_t n, RowScale by, double epsilon, Activation activation,
                   float* y);

// dx from dy, with x and y of NormRow; the derivatives by scale and shift in the same order.
// REQUIRES: dx is none of the others
RowScale NormRowBackward(const float* x, const float* y, const float* dy, int64_t n,
                         const RowMoments& moments, float scale, Activation activation, float* dx);

}  // namespace stemma::models
