#include "models/aides/sersic.h"

#include <cmath>

#include "models/numeric/elementary.h"

namespace stemma::models {

using internal::Exp;
using internal::kTwoPi;
using internal::Log;

double LogGamma(double x) {
  double shift = 1;  // Gamma(x + k) / Gamma(x): Stirling's series wants a large argument
  for (; x < 12; x += 1) shift *= x;
  const double z = 1 / (x * x);
  // B_2k / (2k (2k - 1)), k = 7..1
  double s = 1. / 156;
  s = s * z - 691. / 360360;
  s = s * z + 1. / 1188;
  s = s * z - 1. / 1680;
  s = s * z + 1. / 1260;
  s = s * z - 1. / 360;
  s = s * z + 1. / 12;
  return (x - .5) * Log(x) - x + .5 * Log(kTwoPi) + s / x - Log(shift);
}

double GammaBelow(double a, double x) {
  if (x <= 0) return 0;
  double term = 1 / a, sum = term;
  for (int k = 1; k < 500 && term > 1e-17 * sum; ++k) {
    term *= x / (a + k);
    sum += term;
  }
  return sum * Exp(a * Log(x) - x - LogGamma(a));
}

double SersicB(double n) {
  const double m = 1 / n;
  double b =
      2 * n - 1. / 3 +
      m * (4. / 405 + m * (46. / 25515 + m * (131. / 1148175 - m * (2194697. / 30690717750.))));
  for (int step = 0; step < 4; ++step) {
    const double slope = Exp((2 * n - 1) * Log(b) - b - LogGamma(2 * n));
    b -= (GammaBelow(2 * n, b) - .5) / slope;
  }
  return b;
}

double SersicK(double n) {
  const double b = SersicB(n);
  return kTwoPi * n * Exp(b - 2 * n * Log(b) + LogGamma(2 * n));
}

Sersic::Sersic(double n, double radius) : n_(n), radius_(radius), b_(SersicB(n)) {
  log_front_ = b_ - Log(SersicK(n) * radius * radius);
}

double Sersic::At(double r) const {
  if (r <= 0) return Exp(log_front_);
  return Exp(log_front_ - b_ * Exp(Log(r / radius_) / n_));
}

}  // namespace stemma::models
