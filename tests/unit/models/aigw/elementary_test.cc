// The functions of elementary.h against the C library's in long double, which has 11 bits more.
#include "models/numeric/elementary.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/random.h"

#include <catch2/catch.hpp>

namespace stemma::models::internal {
namespace {

// In units of the last place of the expected value.
double Ulps(double value, long double expected) {
  const double rounded = std::abs(static_cast<double>(expected));
  const double ulp = std::nextafter(rounded, 1e308) - rounded;
  return static_cast<double>(std::abs(value - expected) / ulp);
}

template <typename Body>
double Worst(double low, double high, Body error) {
  double worst = 0;
  Random draw(Key({1}), "elementary");
  for (int i = 0; i < 50000; ++i) {
    worst = std::max(worst, error(low + (high - low) * draw.Uniform()));
  }
  return worst;
}

TEST_CASE("elementary: logarithm and exponential to two units in the last place") {
  const double log_error = std::max(
      Worst(.5, 2, [](double x) { return Ulps(Log(x), std::log(static_cast<long double>(x))); }),
      Worst(-700, 700, [](double e) {
        const double x = std::exp(e);
        return Ulps(Log(x), std::log(static_cast<long double>(x)));
      }));
  const double exp_error = std::max(
      Worst(-1, 1, [](double x) { return Ulps(Exp(x), std::exp(static_cast<long double>(x))); }),
      Worst(-707, 707,
            [](double x) { return Ulps(Exp(x), std::exp(static_cast<long double>(x))); }));
  WARN("largest errors in units of the last place: Log " << log_error << ", Exp " << exp_error);
  CHECK(log_error < 2);
  CHECK(exp_error < 2);
}

TEST_CASE("elementary: exact where the result is exact, and at the ends of the range") {
  CHECK(Log(1) == 0);
  CHECK(Exp(0) == 1);
  CHECK(Exp(-708) == 0);
  CHECK(Exp(-1e300) == 0);
  CHECK(Exp(1e300) == std::numeric_limits<double>::infinity());
  CHECK(std::isnan(Exp(std::numeric_limits<double>::quiet_NaN())));
  CHECK(Tanh(1e6) == 1);
  CHECK(Tanh(-1e6) == -1);
  CHECK(Asinh(0) == 0);
  for (const double whole : {0., 1., -1., 58., 123456789.}) CHECK(CosTurns(whole) == 1);
  CHECK(CosTurns(.5) == Approx(-1).epsilon(1e-15));
  CHECK(CosTurns(-7.5) == CosTurns(.5));
}

TEST_CASE("elementary: the others to 2e-15, absolute") {
  constexpr long double kTurn = 6.28318530717958647692528676655900577L;
  const double cosine = Worst(-100, 100, [](double x) {
    return static_cast<double>(std::abs(CosTurns(x) - std::cos(kTurn * x)));
  });
  const double tanh = Worst(-20, 20, [](double x) {
    return static_cast<double>(std::abs(Tanh(x) - std::tanh(static_cast<long double>(x))));
  });
  const double asinh = Worst(-2, 2, [](double x) {
    return static_cast<double>(std::abs(Asinh(x) - std::asinh(static_cast<long double>(x))));
  });
  const double cosh = Worst(
      -50, 50, [](double x) { return Ulps(Cosh(x), std::cosh(static_cast<long double>(x))); });
  WARN("largest errors: CosTurns " << cosine << ", Tanh " << tanh << ", Asinh " << asinh
                                   << ", Cosh " << cosh << " units in the last place");
  CHECK(cosine < 2e-15);
  CHECK(tanh < 1e-15);
  CHECK(asinh < 1e-15);
  CHECK(cosh < 4);
}

}  // namespace
}  // namespace stemma::models::internal
