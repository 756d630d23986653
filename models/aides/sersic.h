// Sersic's law of surface brightness, and the gamma functions that normalise it:
//
//   I(R) = I_e exp(-b ((R / R_e)^(1/n) - 1)),    F = K I_e R_e^2 (axis ratio)
//   K = 2 pi n e^b b^(-2n) Gamma(2n)
//
//   const double b = SersicB(4);                   // 7.669249442501
//   const Sersic disc(1, 2.5);                     // n and R_e; total flux 1, round
//   double i = 40 * disc.At(.3);                   // of a galaxy of flux 40
//
// R_e encloses half of the light: b solves P(2n, b) = 1/2 for the regularised incomplete gamma
// function P. Found by Newton from the asymptotic series of Ciotti and Bertin (1999), whose own
// error is 4e-5 at n = 1; three steps reach 1e-14.
//
// Same bits on every machine: models/numeric instead of the C library. Plain values; any thread.
#pragma once

namespace stemma::models {

// ln Gamma(x), to 1e-14 of max(1, |result|). REQUIRES: x > 0
double LogGamma(double x);
// The share of Gamma(a) below x. REQUIRES: 0 < a <= 40, 0 <= x <= 100
double GammaBelow(double a, double x);

// REQUIRES of all below: 0.3 <= n <= 10
double SersicB(double n);
double SersicK(double n);

class Sersic {
 public:
  // REQUIRES: radius > 0
  Sersic(double n, double radius);

  // Surface brightness at distance R >= 0 from the centre, per unit of total flux.
  double At(double r) const;
  double n() const { return n_; }
  double radius() const { return radius_; }

 private:
  double n_, radius_, b_, log_front_;
};

}  // namespace stemma::models
