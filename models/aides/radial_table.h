// A function of the radius as a table over R^2, read without a root or a logarithm: the table's
// nodes are the doubles whose low 45 bits are zero, 128 in each octave of R^2, so that the bits of
// R^2 are index and remainder.
//
//   const RadialTable<1> disc(1e-2, 50, [&](double r) { return std::array{profile.At(r)}; });
//   double i = disc.At(x * x + y * y)[0];
//
// Between nodes it is linear. For a Sersic profile the relative error is at most
// (x^2 I''/ I) / (8 * 128^2) with x = R^2; x^2 I'' / I is below 50 for R <= 8 R_e and n >= 1, so
// the error is below 4e-4, and below 3e-5 for R <= R_e. Below the lowest radius the table is
// constant, beyond the highest 0.
//
// Several functions of the same radius share index and remainder. Any thread once made.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "models/numeric/elementary.h"

namespace stemma::models {

template <size_t N>
class RadialTable {
 public:
  using Row = std::array<double, N>;

  // REQUIRES: 0 < low < high
  template <typename Function>
  RadialTable(double low, double high, Function function)
      : low_(low * low), first_(internal::Bits(low_) >> kShift) {
    const uint64_t last = (internal::Bits(high * high) >> kShift) + 1;
    for (uint64_t k = first_; k <= last; ++k) {
      rows_.push_back(function(std::sqrt(internal::FromBits(k << kShift))));
    }
  }

  Row At(double r2) const {
    const uint64_t bits = internal::Bits(r2 > low_ ? r2 : low_);
    const size_t k = static_cast<size_t>((bits >> kShift) - first_);
    Row row{};
    if (k + 1 >= rows_.size()) return row;
    constexpr uint64_t kRest = (uint64_t{1} << kShift) - 1, kOne = uint64_t{1023} << 52;
    const double t = (internal::FromBits((bits & kRest) | kOne) - 1) * 128;
    for (size_t i = 0; i < N; ++i) row[i] = rows_[k][i] + t * (rows_[k + 1][i] - rows_[k][i]);
    return row;
  }

 private:
  static constexpr int kShift = 52 - 7;
  double low_;
  uint64_t first_;
  std::vector<Row> rows_;
};

}  // namespace stemma::models
