#include "tools/cli/tensor_bounds.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/check.h"

namespace stemma::cli {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLargest = std::numeric_limits<double>::max();
// A sum of n squares of rounded differences, computed twice in any order, is wrong by less than
// (n + 3) * 2^-52 of itself; so this leaves room for the square root and the quotient behind it.
constexpr double kRounding = 0x1p-51;
constexpr double kSquaresLost = 0x1p-1074;  // at most so much of a square is lost to underflow
constexpr double kLostToOpen = 8;           // times that is counted as left open of a direction

float FloatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// What an upper half leaves open.
struct Ends {
  double least = 0, most = 0;
  bool special = false;  // an infinity, or some NaN
  bool is_nan = false;
};

Ends EndsOf(uint16_t half) {
  const uint32_t magnitude = uint32_t{half & 0x7fffu} << 16;
  Ends ends;
  ends.special = (half & 0x7f80) == 0x7f80;
  ends.is_nan = ends.special && (half & 0x7f) != 0;
  const double small = ends.special ? kInfinity : static_cast<double>(FloatOf(magnitude));
  const double large = ends.special ? kInfinity : static_cast<double>(FloatOf(magnitude | 0xffff));
  const bool negative = (half & 0x8000) != 0;
  ends.least = negative ? -large : small;
  ends.most = negative ? -small : large;
  return ends;
}

// |b - a| of two numbers with these upper halves.
Interval Distance(const Ends& a, const Ends& b, bool same_half) {
  Interval distance;
  if (same_half) {
    distance.may_be_nan = a.special;
    distance.high = a.special ? 0 : a.most - a.least;
    return distance;
  }
  distance.is_nan = a.is_nan || b.is_nan;
  distance.may_be_nan = a.special || b.special;
  if (distance.is_nan) return distance;
  const double least = b.least - a.most, most = b.most - a.least;
  distance.low = std::max({0.0, least, -most});
  distance.high = std::max(most, -least);
  return distance;
}

Interval SquareOf(const Interval& x) {
  return {x.low * x.low, x.high * x.high, x.may_be_nan, x.is_nan};
}

void AddTo(Interval* sum, const Interval& term) {
  sum->low += term.low;
  sum->high += term.high;
  sum->may_be_nan |= term.may_be_nan;
  sum->is_nan |= term.is_nan;
}

Interval Larger(const Interval& a, const Interval& b) {
  return {std::max(a.low, b.low), std::max(a.high, b.high), a.may_be_nan || b.may_be_nan,
          a.is_nan || b.is_nan};
}

Interval Widened(Interval x, double share) {
  x.low *= 1 - share;
  x.high *= 1 + share;
  return x;
}

// Of sums over `count` elements.
Interval Sum(const Interval& squares, uint64_t count) {
  return Widened(squares, (static_cast<double>(count) + 16) * kRounding);
}

Interval Root(const Interval& x) {
  return {std::sqrt(x.low), std::sqrt(x.high), x.may_be_nan, x.is_nan};
}

Interval Known(double value) {
  const bool none = std::isnan(value);
  return {none ? 0 : value, none ? 0 : value, none, none};
}

// f64 squares may underflow or overflow, those of other types cannot.
Interval KnownF64(double value, double lost) {
  Interval known = Known(value);
  known.low = std::min(std::max(0.0, known.low - lost), kLargest);
  known.high += lost;
  return known;
}

Interval SquareOfEnds(const Ends& x) {
  const double least = std::fabs(x.least), most = std::fabs(x.most);
  return SquareOf({std::min(least, most), std::max(least, most), x.special, x.is_nan});
}

// Middles and half widths are exact in float64, and so are their products.
void AddMiddles(const Ends& x, const Ends& y, ChangeBounds* bounds) {
  if (x.special || y.special) return;  // Cosine() knows by the squares
  const double a = (x.least + x.most) / 2, b = (y.least + y.most) / 2;
  const double open_a = (x.most - x.least) / 2, open_b = (y.most - y.least) / 2;
  bounds->middle_a += a * a;
  bounds->middle_b += b * b;
  bounds->middle_dot += a * b;
  bounds->open_a += open_a * open_a;
  bounds->open_b += open_b * open_b;
}

// Of sums of squares.
bool MayBeNone(const Interval& squares) {
  return squares.may_be_nan || squares.is_nan || std::isinf(squares.high);
}
bool IsNone(const Interval& squares) { return squares.is_nan || std::isinf(squares.low); }
bool IsNotZero(const Interval& squares) { return squares.is_nan || squares.low > 0; }

double Leg(double leg) { return std::sqrt((1 - leg) * (1 + leg)); }  // sine of cosine, and back

// i64 beyond 2^53 was rounded before it was compared: to `share` of it.
void WidenI64(const Change& exact, ChangeBounds* bounds) {
  if (exact.a_squared + exact.b_squared < 0x1p106 || exact.different == 0) return;
  const double off = 0x1p-52 * (std::sqrt(exact.a_squared) + std::sqrt(exact.b_squared));
  const auto widen = [off](Interval x) {
    return Interval{std::max(0.0, x.low - off), x.high + off, x.may_be_nan, x.is_nan};
  };
  bounds->difference_squared = SquareOf(widen(Root(bounds->difference_squared)));
  bounds->max = widen(bounds->max);
}

}  // namespace

bool Interval::Holds(double value) const {
  if (std::isnan(value)) return may_be_nan || is_nan;
  return !is_nan && low <= value && value <= high;
}

void ChangeBounds::Add(const ChangeBounds& other) {
  count += other.count;
  changed_least += other.changed_least;
  changed_most += other.changed_most;
  AddTo(&difference_squared, other.difference_squared);
  AddTo(&a_squared, other.a_squared);
  AddTo(&b_squared, other.b_squared);
  middle_a += other.middle_a;
  middle_b += other.middle_b;
  middle_dot += other.middle_dot;
  open_a += other.open_a;
  open_b += other.open_b;
  max = Larger(max, other.max);
}

Interval ChangeBounds::L2() const { return Root(Sum(difference_squared, count)); }

// 0 when nothing differs, infinite when only a is 0, no number where both are infinite.
Interval ChangeBounds::RelativeL2() const {
  const Interval d = L2(), a = Root(Sum(a_squared, count));
  Interval relative;
  relative.is_nan = d.is_nan;
  relative.may_be_nan = d.may_be_nan || (d.high > 0 && (a.may_be_nan || a.is_nan)) ||
                        (std::isinf(d.high) && std::isinf(a.high));
  if (d.high == 0) return relative;
  if (d.low > 0 && std::isfinite(a.high)) relative.low = a.high == 0 ? kInfinity : d.low / a.high;
  relative.high = a.low == 0 ? kInfinity : d.high / a.low;
  if (std::isnan(relative.high)) relative.high = kInfinity;
  return Widened(relative, kRounding);
}

// Change::Cosine() is 1 where both are 0, 0 where one is, and no number beside an infinity, but for
// a tensor of zeros. Float64 loses less than half of `lost` on the way to the middles' cosine, and
// as much on Compare()'s; what sines and cosines lose behind it is a few units of the last place.
Interval ChangeBounds::Cosine() const {
  Interval cosine{-1, 1};
  cosine.is_nan =
      (IsNone(a_squared) && IsNotZero(b_squared)) || (IsNone(b_squared) && IsNotZero(a_squared));
  cosine.may_be_nan = MayBeNone(a_squared) || MayBeNone(b_squared);
  if (cosine.may_be_nan) return cosine;
  if (a_squared.high == 0 && b_squared.high == 0) return {1, 1};
  if (a_squared.high == 0 || b_squared.high == 0) {
    return {0, IsNotZero(a_squared) || IsNotZero(b_squared) ? 0.0 : 1.0};
  }
  const double lost = (static_cast<double>(count) + 16) * 2 * kRounding;
  const double sin_a = std::sqrt(open_a / middle_a) * (1 + lost);
  const double sin_b = std::sqrt(open_b / middle_b) * (1 + lost);
  if (!(sin_a < 1 && sin_b < 1)) return cosine;
  const double cos_a = Leg(sin_a), cos_b = Leg(sin_b);
  const double sin_both = sin_a * cos_b + cos_a * sin_b, cos_both = cos_a * cos_b - sin_a * sin_b;
  const double middle = middle_dot / std::sqrt(middle_a) / std::sqrt(middle_b);
  const double least = middle - lost, most = middle + lost;
  if (least - lost > -cos_both) {
    const double at = std::min(least, 1.0);
    cosine.low = std::max(-1.0, at * cos_both - Leg(at) * sin_both - lost);
  }
  if (most + lost < cos_both) {
    const double at = std::max(most, -1.0);
    cosine.high = std::min(1.0, at * cos_both + Leg(at) * sin_both + lost);
  }
  return cosine;
}

ChangeBounds BoundUpperHalves(std::string_view a, std::string_view b, double eps) {
  STEMMA_CHECK(a.size() == b.size() && a.size() % 2 == 0, "compared tensors differ in size");
  ChangeBounds bounds;
  bounds.count = a.size() / 2;
  for (size_t at = 0; at < a.size(); at += 2) {
    uint16_t from, to;
    std::memcpy(&from, a.data() + at, sizeof from);
    std::memcpy(&to, b.data() + at, sizeof to);
    const Ends x = EndsOf(from), y = EndsOf(to);
    const bool same = from == to;
    const Interval distance = Distance(x, y, same);
    const bool far = distance.is_nan || distance.low > eps;
    const bool may_be_far = far || distance.may_be_nan || distance.high > eps;
    bounds.changed_least += eps > 0 ? far : !same;
    bounds.changed_most += eps > 0 ? may_be_far : true;
    AddTo(&bounds.difference_squared, SquareOf(distance));
    AddTo(&bounds.a_squared, SquareOfEnds(x));
    AddTo(&bounds.b_squared, SquareOfEnds(y));
    AddMiddles(x, y, &bounds);
    bounds.max = Larger(bounds.max, distance);
  }
  bounds.max = Widened(bounds.max, kRounding);
  return bounds;
}

ChangeBounds BoundsOf(DType dtype, const Change& exact) {
  ChangeBounds bounds;
  bounds.count = exact.count;
  bounds.changed_least = bounds.changed_most = exact.changed;
  bounds.difference_squared = Known(exact.difference_squared);
  bounds.a_squared = Known(exact.a_squared);
  bounds.b_squared = Known(exact.b_squared);
  bounds.middle_a = exact.a_squared;
  bounds.middle_b = exact.b_squared;
  bounds.middle_dot = exact.dot;
  bounds.max = Known(exact.max);
  if (dtype == DType::kF64) {
    const double lost = static_cast<double>(exact.count) * kSquaresLost;
    bounds.a_squared = KnownF64(exact.a_squared, lost);
    bounds.b_squared = KnownF64(exact.b_squared, lost);
    bounds.open_a = bounds.open_b = kLostToOpen * lost;
    bounds.difference_squared = KnownF64(exact.difference_squared, exact.different == 0 ? 0 : lost);
    bounds.max = KnownF64(exact.max, 0);
  }
  if (dtype == DType::kI64) WidenI64(exact, &bounds);
  bounds.max = Widened(bounds.max, kRounding);
  return bounds;
}

}  // namespace stemma::cli
