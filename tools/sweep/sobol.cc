#include "tools/sweep/sobol.h"

#include <array>

#include "core/check.h"
#include "core/random.h"

namespace stemma::sweep {
namespace {

constexpr int kBits = 32;

// Rows of new-joe-kuo-6, dimensions 2 to 21: degree of the primitive polynomial, its inner
// coefficients as bits, and the first direction integers.
struct Axis {
  int degree;
  uint32_t inner;
  std::array<uint32_t, 7> first;
};
constexpr Axis kAxes[kSobolDimensions - 1] = {
    {1, 0, {1}},
    {2, 1, {1, 3}},
    {3, 1, {1, 3, 1}},
    {3, 2, {1, 1, 1}},
    {4, 1, {1, 1, 3, 3}},
    {4, 4, {1, 3, 5, 13}},
    {5, 2, {1, 1, 5, 5, 17}},
    {5, 4, {1, 1, 5, 5, 5}},
    {5, 7, {1, 1, 7, 11, 19}},
    {5, 11, {1, 1, 5, 1, 1}},
    {5, 13, {1, 1, 1, 3, 11}},
    {5, 14, {1, 3, 5, 5, 31}},
    {6, 1, {1, 3, 3, 9, 7, 49}},
    {6, 13, {1, 1, 1, 15, 21, 21}},
    {6, 16, {1, 3, 1, 13, 27, 49}},
    {6, 19, {1, 1, 1, 15, 7, 5}},
    {6, 22, {1, 3, 1, 15, 13, 25}},
    {6, 25, {1, 1, 5, 5, 19, 61}},
    {7, 1, {1, 3, 7, 11, 23, 15, 103}},
    {7, 4, {1, 3, 7, 13, 13, 15, 69}},
};

using Directions = std::array<uint32_t, kBits>;

// Direction numbers, as fractions of 2^32. The first axis is van der Corput's sequence.
Directions DirectionsOf(int64_t dimension) {
  Directions v{};
  if (dimension == 0) {
    for (int i = 0; i < kBits; ++i) v[static_cast<size_t>(i)] = 1u << (kBits - 1 - i);
    return v;
  }
  const Axis& axis = kAxes[dimension - 1];
  for (int i = 0; i < kBits; ++i) {
    const auto at = static_cast<size_t>(i);
    if (i < axis.degree) {
      v[at] = axis.first[at] << (kBits - 1 - i);
      continue;
    }
    const auto back = static_cast<size_t>(i - axis.degree);
    v[at] = v[back] ^ (v[back] >> axis.degree);
    for (int k = 1; k < axis.degree; ++k) {
      if (axis.inner >> (axis.degree - 1 - k) & 1) v[at] ^= v[static_cast<size_t>(i - k)];
    }
  }
  return v;
}

uint32_t Coordinate(int64_t index, int64_t dimension) {
  const Directions v = DirectionsOf(dimension);
  const auto n = static_cast<uint64_t>(index);
  const uint64_t gray = n ^ (n >> 1);
  uint32_t x = 0;
  for (int i = 0; i < kBits; ++i) {
    if (gray >> i & 1) x ^= v[static_cast<size_t>(i)];
  }
  return x;
}

}  // namespace

std::vector<double> SobolPoint(int64_t index, int64_t dimensions) {
  return ShiftedSobolPoint(index, dimensions, 0);
}

std::vector<double> ShiftedSobolPoint(int64_t index, int64_t dimensions, int64_t seed) {
  STEMMA_CHECK(dimensions >= 1 && dimensions <= kSobolDimensions && index >= 0 &&
                   index < int64_t{1} << kBits,
               "a point of Sobol's sequence that is not in the table");
  std::vector<double> point;
  for (int64_t d = 0; d < dimensions; ++d) {
    uint32_t x = Coordinate(index, d);
    if (seed != 0) {
      x ^= Random(Key({static_cast<uint64_t>(seed), static_cast<uint64_t>(d)}), "sobol").U32();
    }
    point.push_back(static_cast<double>(x) / 4294967296.0);
  }
  return point;
}

}  // namespace stemma::sweep
