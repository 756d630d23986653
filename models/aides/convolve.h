// Convolution of square images with one symmetric kernel, by the discrete Fourier transform.
//
//   const WrappedConvolution seeing(192, kernel);        // kernel: 192 x 192, its centre at (0, 0)
//   seeing.Apply(&image);                         // 192 x 192, in place; wraps around
//
// The image wraps around its edges: what lies within the kernel's reach of an edge is not to be
// used. Sides are 2^a 3^b, 8 to 1024; GoodSide finds the next one.
//
// The transform is real in the first direction (two columns share one complex transform) and runs
// over all columns at once, so that the inner loops are over neighbours and the compiler vectorises
// them. Why not models/aigw/fft.h: that is for one long line of 2^k; this is for many short lines.
//
// Errors: 2e-16 * log2(side) of the largest value, about. Same bits on every machine: no function
// of the C library, each sum in one order. Thread: Apply from any number at once.
#pragma once

#include <cstddef>
#include <vector>

namespace stemma::models {

// The smallest side >= `least` that WrappedConvolution knows. REQUIRES: least <= 1024
size_t GoodSide(size_t least);

class WrappedConvolution {
 public:
  // REQUIRES: side == GoodSide(side); `kernel` has side * side values and
  // kernel[y][x] == kernel[-y][-x], indices modulo the side.
  WrappedConvolution(size_t side, const std::vector<double>& kernel);

  // REQUIRES: image has side * side values.
  void Apply(std::vector<double>* image) const;
  size_t side() const { return side_; }

 private:
  size_t side_;
  std::vector<double> filter_;  // the kernel's transform, [kx][ky], ky <= side / 2, / side^2
};

}  // namespace stemma::models
