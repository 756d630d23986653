// Between which bounds the change of a tensor lies, known from the upper 16 bits of its numbers:
// half of the bytes, read from a pack's high plane alone.
//
//   ChangeBounds bounds = BoundUpperHalves(high_a, high_b, 0);
//   layer.Add(bounds);
//   layer.L2();                        // |b - a| lies in [low, high]
//
// An upper half leaves the lower 16 bits open, so a number x is known to lie between two f32 of the
// same sign, at most |x| / 128 apart. Differences, sums and quotients of such ranges are formed so
// that no choice of the lower bits leaves them, and are widened by more than float64 loses on the
// way: what Compare() says of the whole numbers is inside, and so is the value without rounding. An
// infinity may be a NaN whose payload lies in the lower half, and two NaNs may be the same one:
// then a bound says that the value may be no number. Plain values; any thread.
//
// The cosine is bounded as an angle, which is far closer than quotients of ranges are. Let m be the
// middles of the ranges of a, and r half their widths, so that |a - m| <= |r|. When |r| < |m|, the
// line through a passes m at a distance of |m| sin(a, m), at most |a - m|; so the angle between a
// and m is at most asin(|r| / |m|), about 2^-8. Angles are distances on a sphere: by the triangle
// inequality, applied on both sides, the angle between a and b is that between their middles but
// for the sum of the two. It grows where the cosine falls, from 0 to pi; where the sum leads out of
// that, the bound is 1 or -1.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/dtype.h"
#include "tools/cli/tensor_change.h"

namespace stemma::cli {

// Of a value that is not negative, unless it is a cosine.
struct Interval {
  double low = 0, high = 0;
  bool may_be_nan = false;  // or no number at all
  bool is_nan = false;      // no number for sure; low and high mean nothing

  bool Holds(double value) const;
};

struct ChangeBounds {
  uint64_t count = 0;                            // elements
  uint64_t changed_least = 0, changed_most = 0;  // of them, as Change::changed
  // Sums of terms that are not widened yet; ask L2(), RelativeL2() and Cosine().
  Interval difference_squared, a_squared, b_squared;
  double middle_a = 0, middle_b = 0, middle_dot = 0;  // of the middles, where both are finite
  double open_a = 0, open_b = 0;                      // squares of half the widths
  Interval max;

  void Add(const ChangeBounds& other);
  Interval L2() const;
  Interval RelativeL2() const;
  Interval Cosine() const;
};

// `a` and `b` are the upper halves of f32 numbers, 2 bytes each (StateReader::ReadHigh).
// REQUIRES: equal lengths that are whole elements.
ChangeBounds BoundUpperHalves(std::string_view a, std::string_view b, double eps);

// Of tensors of `dtype` that were read whole: as narrow as float64 allows.
ChangeBounds BoundsOf(DType dtype, const Change& exact);

}  // namespace stemma::cli
