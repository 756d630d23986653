// Logarithm, exponential, cosine and what follows from them, out of IEEE 754 additions,
// multiplications, divisions and square roots alone. For training data that are computed: waveforms
// and galaxies.
//
//   double y = Log(x), e = Exp(-a * t), c = CosTurns(phase / (2 pi));
//
// Why not <cmath>: its functions differ in the last bit between versions of the C library, and
// between processors within one (a variant with fused multiply-add is chosen at run time). A
// waveform is training data with a digest, so the same binary has to give the same bits on every
// machine. These functions do, provided the compiler does not contract products into fused ones
// (-ffp-contract=off in tools/bazel/build.bazelrc).
//
// Method: the argument is brought near 0 and a power series is summed until its next term is below
// a tenth of a unit in the last place. No fitted coefficients, no tables. Largest errors, measured
// by tests/unit/models/aigw/elementary_test.cc against long double: Log and Exp 2 units in the last
// place; CosTurns 2e-15 absolute.
//
// All inline and free of branches where they are used in loops: CosTurns is vectorised.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace stemma::models::internal {

// ln 2 in two parts: the first has 32 bits, so its product with an exponent is exact.
constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kTwoPi = 6.283185307179586;
// Adding and subtracting it rounds to the nearest integer, for magnitudes below 2^51.
constexpr double kRound = 0x1.8p52;

inline uint64_t Bits(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

inline double FromBits(uint64_t bits) {
  double x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// REQUIRES: x is positive, finite and not subnormal.
inline double Log(double x) {
  constexpr uint64_t kMantissa = (uint64_t{1} << 52) - 1, kOne = uint64_t{1023} << 52;
  double m = FromBits((Bits(x) & kMantissa) | kOne);
  double exponent = static_cast<double>(static_cast<int>(Bits(x) >> 52) - 1023);
  if (m > 1.4142135623730951) {
    m *= .5;
    exponent += 1;
  }
  // ln m = 2 artanh s, and |s| <= 0.172.
  const double s = (m - 1) / (m + 1), z = s * s;
  double p = 2.0 / 21;
#pragma GCC unroll 16
  for (int n = 19; n >= 3; n -= 2) p = p * z + 2.0 / n;
  return exponent * kLn2High + (2 * s + (s * z * p + exponent * kLn2Low));
}

// 0 below -708 and infinity above 708, where the result nears the ends of the normal numbers.
inline double Exp(double x) {
  if (!(std::abs(x) < 708)) {
    return x < 0 ? 0 : x > 0 ? std::numeric_limits<double>::infinity() : x;
  }
  constexpr double kInverseLn2 = 1.4426950408889634;
  const double shifted = x * kInverseLn2 + kRound, n = shifted - kRound;
  const double r = (x - n * kLn2High) - n * kLn2Low;  // |r| <= 0.347
  double p = 1.0 / 6227020800;                        // 1 / 13!
  double factorial = 479001600;                       // 12!
#pragma GCC unroll 16
  for (int k = 12; k >= 2; --k) {
    p = p * r + 1 / factorial;
    factorial /= k;
  }
  // The low bits of `shifted` are n, in two's complement: added to the exponent they scale by 2^n.
  return FromBits(Bits(1 + (r + r * r * p)) + (Bits(shifted) << 52));
}

// Asinh and Tanh: the error is absolute, 3e-16, not relative to results near 0.
inline double Asinh(double x) {
  const double y = Log(std::abs(x) + std::sqrt(1 + x * x));
  return x < 0 ? -y : y;
}

inline double Cosh(double x) {
  const double e = Exp(std::abs(x));
  return .5 * (e + 1 / e);
}

inline double Tanh(double x) { return 1 - 2 / (Exp(2 * x) + 1); }

// cos(2 pi turns). REQUIRES: |turns| < 2^51
inline double CosTurns(double turns) {
  const double v = turns - ((turns + kRound) - kRound);  // exact; |v| <= 1/2
  const double z = v * v;
  double p = 5.392664662608129e-10;  // (-1)^k pi^(2k+1) / (2k+1)!, k = 10..0: the sine of pi v
  p = p * z - 2.2948428997269873e-08;
  p = p * z + 7.952054001475513e-07;
  p = p * z - 2.1915353447830217e-05;
  p = p * z + 0.00046630280576761255;
  p = p * z - 0.0073704309457143504;
  p = p * z + 0.08214588661112823;
  p = p * z - 0.5992645293207921;
  p = p * z + 2.5501640398773455;
  p = p * z - 5.16771278004997;
  p = p * z + 3.141592653589793;
  const double sine = v * p;
  return 1 - 2 * sine * sine;
}

// The angle in [0, 1/2] turns with this cosine, to 1e-15 turns, by halving: for what is needed once
// and not in loops. REQUIRES: -1 <= cosine <= 1
inline double TurnsOfCosine(double cosine) {
  double low = 0, high = .5;
  for (int i = 0; i < 50; ++i) {
    const double middle = .5 * (low + high);
    (CosTurns(middle) > cosine ? low : high) = middle;
  }
  return low;
}

}  // namespace stemma::models::internal
