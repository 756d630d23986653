#include "optim/power.h"

#include <algorithm>
#include <cmath>

namespace stemma::optim {
namespace {

constexpr int64_t kWholePowerMax = 64;
constexpr double kLn2 = 0.693147180559945309417232121458;
constexpr double kSqrtHalf = 0.70710678118654752440;
constexpr double kLeast = -1100;  // 2^-1100 is 0

// ln m for m in [sqrt(1/2), sqrt(2)]: 2 artanh(s) with s = (m - 1) / (m + 1), |s| < 0.172. The
// first term left out is below 1e-19 of the sum.
double LogNearOne(double m) {
  const double s = (m - 1) / (m + 1), s2 = s * s;
  double sum = 0;
  for (int k = 23; k >= 3; k -= 2) sum = (sum + 1.0 / k) * s2;
  return 2 * (s + s * sum);
}

// e^x for |x| <= ln(2) / 2 by its series; the first term left out is below 1e-19.
double ExpNearZero(double x) {
  double sum = 0;
  for (int k = 15; k >= 1; --k) sum = (1 + sum) * (x / k);
  return 1 + sum;
}

}  // namespace

double WholePower(double base, int64_t exponent) {
  double result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result *= base;
    base *= base;
  }
  return result;
}

double Power(double base, double exponent) {
  const auto whole = static_cast<int64_t>(std::min<double>(exponent, kWholePowerMax));
  if (static_cast<double>(whole) == exponent) return WholePower(base, whole);
  if (base <= 0) return 0;
  int two = 0;
  double m = std::frexp(base, &two);  // base = m 2^two, 1/2 <= m < 1; exact
  if (m < kSqrtHalf) {
    m *= 2;
    --two;
  }
  // exponent * log2(base) in two parts, so that the large one's rounding is all that is lost.
  const double of_two = exponent * two, of_m = exponent * (LogNearOne(m) / kLn2);
  if (!(of_two + of_m > kLeast)) return 0;
  const double n = std::floor(of_two + of_m + 0.5);
  return std::ldexp(ExpNearZero(((of_two - n) + of_m) * kLn2), static_cast<int>(n));
}

}  // namespace stemma::optim
