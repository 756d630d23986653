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
#pragma once

#include <cstdint>
#include <string_view>

#include "core/dtype.h"
#include "tools/cli/tensor_change.h"

namespace stemma::cli {

// Of a value that is not negative.
struct Interval {
  double low = 0, high = 0;
  bool may_be_nan = false;  // or no number at all
  bool is_nan = false;      // no number for sure; low and high mean nothing

  bool Holds(double value) const;
};

struct ChangeBounds {
  uint64_t count = 0;                            // elements
  uint64_t changed_least = 0, changed_most = 0;  // of them, as Change::changed
  // Sums of terms that are not widened yet; ask L2() and RelativeL2().
  Interval difference_squared, a_squared;
  Interval max;

  void Add(const ChangeBounds& other);
  Interval L2() const;
  Interval RelativeL2() const;
};

// `a` and `b` are the upper halves of f32 numbers, 2 bytes each (StateReader::ReadHigh).
// REQUIRES: equal lengths that are whole elements.
ChangeBounds BoundUpperHalves(std::string_view a, std::string_view b, double eps);

// Of tensors of `dtype` that were read whole: as narrow as float64 allows.
ChangeBounds BoundsOf(DType dtype, const Change& exact);

}  // namespace stemma::cli
