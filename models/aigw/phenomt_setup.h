// How the constants of a waveform come about: fits, small linear systems, matching conditions.
// Internal to phenomt.cc and its tests.
#pragma once

#include <cmath>
#include <complex>

#include "models/aigw/phenomt.h"
#include "models/numeric/elementary.h"

namespace stemma::models::internal {

constexpr double kThetaLog = 107.0 / 280;               // of theta^6 ln(theta) in TaylorT3
constexpr double kAmplitudeLog = 428.0 / 105;           // of x^3 ln(16 x) in the amplitude
constexpr double kAmplitudeCut = -150;                  // the inspiral's amplitude ends here
constexpr double kAmplitudeFront = 3.1706618380848086;  // sqrt(16 pi / 5)

constexpr double kLn16 = 2.7725887222397812;

// Sum over the groups called `name` at (eta, spin, dchi, delta) of `s`. REQUIRES: the name exists.
double Sum(const char* name, const PhenomTStages& s);

// The functions of one region at a time, inlined into the loops. Each exists once, so a loop over a
// grid and a single value give the same bits.

struct OmegaPhase {
  double omega, phase;
};

inline double Theta(const PhenomTStages& s, double t) {
  return 1 / std::sqrt(std::sqrt(std::sqrt(-s.eta * t / 5)));
}

// The polynomial of the inspiral's frequency with its logarithm.
inline double InspiralSeries(const PhenomTStages& s, double theta, double log_theta) {
  double p = s.k[13];
#pragma GCC unroll 8
  for (int n = 12; n >= 7; --n) p = p * theta + s.k[n];
  p = p * theta + (s.k[6] + kThetaLog * log_theta);
#pragma GCC unroll 8
  for (int n = 5; n >= 0; --n) p = p * theta + s.k[n];
  return p;
}

inline OmegaPhase Inspiral(const PhenomTStages& s, double t) {
  const double theta = Theta(s, t), log_theta = Log(theta), inverse = 1 / theta;
  const double omega = theta * theta * theta / 4 * InspiralSeries(s, theta, log_theta);
  double high = s.k_phase[5];
#pragma GCC unroll 8
  for (int n = 4; n >= 0; --n) high = high * theta + s.k_phase[n];
  high = ((high * theta + s.k[7] / 2) * theta + s.k[6] + kThetaLog * (log_theta - 1)) * theta;
  const double inverse2 = inverse * inverse;
  const double low =
      inverse * (s.k[4] + inverse * (s.k[3] / 2 + inverse * (s.k[2] / 3 + inverse2 * s.k[0] / 5)));
  const double phase = 10 / s.eta * (high + s.k[5] * log_theta - low);
  return {omega, phase + s.phase_inspiral};
}

inline OmegaPhase Merger(const PhenomTStages& s, double t) {
  const double sh = s.alpha1 * t, x = Asinh(sh), ch = std::sqrt(1 + sh * sh);
  const double p = s.e[0] + x * (s.e[1] + x * (s.e[2] + x * (s.e[3] + x * s.e[4])));
  const double j1 = x * sh - ch;
  const double j2 = x * (x * sh - 2 * ch) + 2 * sh;
  const double j3 = x * (x * (x * sh - 3 * ch) + 6 * sh) - 6 * ch;
  const double j4 = x * (x * (x * (x * sh - 4 * ch) + 12 * sh) - 24 * ch) + 24 * sh;
  const double sum = s.e[0] * sh + s.e[1] * j1 + s.e[2] * j2 + s.e[3] * j3 + s.e[4] * j4;
  return {s.omega_ring * (1 - p),
          s.omega_ring * t - s.omega_ring / s.alpha1 * sum + s.phase_merger};
}

inline OmegaPhase Ringdown(const PhenomTStages& s, double t) {
  const double decay = s.c3 * Exp(-s.c2 * t);
  return {s.omega_ring - s.c1 * s.c2 * decay / (1 + decay),
          s.c1 * Log((1 + decay) / (1 + s.c3)) + s.omega_ring * t + s.phase_ringdown};
}

// The complex amplitude of the inspiral in v = sqrt(x) = (omega / 2)^(1/3). An exponential of the
// logarithm, which is needed anyhow, is faster than a cube root.
inline std::complex<double> InspiralComplexAmplitude(const PhenomTStages& s, double omega) {
  const double log_v = Log(omega / 2) / 3, v = Exp(log_v);
  double re = s.amp_re[10], im = s.amp_im[7];
#pragma GCC unroll 8
  for (int n = 9; n >= 7; --n) re = re * v + s.amp_re[n];
  re = re * v + (s.amp_re[6] - kAmplitudeLog * (kLn16 + 2 * log_v));
#pragma GCC unroll 8
  for (int n = 5; n >= 0; --n) re = re * v + s.amp_re[n];
#pragma GCC unroll 8
  for (int n = 6; n >= 0; --n) im = im * v + s.amp_im[n];
  const double front = 2 * s.eta * kAmplitudeFront * v * v;
  return {front * re, front * im};
}

inline double InspiralAmplitude(const PhenomTStages& s, double omega) {
  const std::complex<double> h = InspiralComplexAmplitude(s, omega);
  return std::sqrt(h.real() * h.real() + h.imag() * h.imag());
}

inline double MergerAmplitude(const PhenomTStages& s, double t) {
  const auto& c = s.amp_merger;
  return c[0] + c[1] / Cosh(s.alpha1 * t) + c[2] * Exp(Log(Cosh(2 * s.alpha1 * t)) / -7) +
         c[3] * t * t;
}

inline double RingdownAmplitude(const PhenomTStages& s, double t) {
  return Exp(-s.alpha1 * t) * (s.r1 * Tanh(s.r2 * t + s.r3) + s.r4);
}

// Frequency and phase of whichever region contains t.
inline OmegaPhase At(const PhenomTStages& s, double t) {
  return t < s.t_cut ? Inspiral(s, t) : t <= 0 ? Merger(s, t) : Ringdown(s, t);
}

// Fills all of `s` for a binary inside the domain.
void SetUp(double q, double s1, double s2, PhenomTStages* s);

}  // namespace stemma::models::internal
