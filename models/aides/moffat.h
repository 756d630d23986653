// Moffat's law of a star's image through the atmosphere, of unit flux:
//
//   I(r) = (beta - 1) / (pi alpha^2) (1 + r^2 / alpha^2)^(-beta)
//
//   const Moffat star(3.5, 1.3);                  // beta, full width at half maximum
//   double i = star.At(r2);                       // at squared distance r2
//
// Same bits on every machine. Plain value; any thread.
#pragma once

#include "models/numeric/elementary.h"

namespace stemma::models {

class Moffat {
 public:
  // REQUIRES: beta > 1, fwhm > 0
  Moffat(double beta, double fwhm) : beta_(beta) {
    const double half = internal::Exp(internal::Log(2) / beta) - 1;  // r^2 / alpha^2 there
    alpha2_ = fwhm * fwhm / (4 * half);
    peak_ = (beta - 1) / (.5 * internal::kTwoPi * alpha2_);
  }

  double At(double r2) const { return peak_ * Power(1 + r2 / alpha2_, -beta_); }
  // The share of the flux within r, by its square.
  double Within(double r2) const { return 1 - Power(1 + r2 / alpha2_, 1 - beta_); }
  double peak() const { return peak_; }
  double alpha2() const { return alpha2_; }

 private:
  static double Power(double x, double y) { return internal::Exp(y * internal::Log(x)); }
  double beta_, alpha2_ = 1, peak_ = 1;
};

}  // namespace stemma::models
