// What a simulator of many ranks needs from statistics: the largest of N, and quantiles.
//
//   ExpectedMaximumOfNormals(64)        2.3437
//   ExpectedMaximumOfExponentials(4)    1 + 1/2 + 1/3 + 1/4
//
// The largest of N is what a synchronous step waits for: it grows like sqrt(2 ln N) when deviations
// are normal and like ln N when their tail is exponential. Pure functions.
#pragma once

#include <cstdint>
#include <vector>

namespace stemma::scale {

// E[max of n standard normal values], by quadrature; within 1e-6 up to a million.
double ExpectedMaximumOfNormals(int64_t n);

// E[max of n exponential values of mean 1]: the harmonic number.
double ExpectedMaximumOfExponentials(int64_t n);

// Of a sample; interpolated between neighbours. Of none: zeros.
struct Quantiles {
  double p10 = 0, p50 = 0, p90 = 0;
};
Quantiles QuantilesOf(std::vector<double> values);

// Coefficients >= 0 that make the sum of squares of rows * x - target smallest. At most four
// columns: every set of active ones is tried, so the answer is exact. A column without effect
// gets 0.
std::vector<double> NonNegativeLeastSquares(const std::vector<std::vector<double>>& rows,
                                            const std::vector<double>& target);

}  // namespace stemma::scale
