// The (2,2) mode of IMRPhenomT: the gravitational wave of two black holes with aligned spins, from
// inspiral over merger to ringdown, in closed form in the time domain. r h22 / M = A e^(-i phi),
// time in units of the total mass M, t = 0 at the peak of |h22|, and here phi(0) = 0.
//
//   STEMMA_ASSIGN_OR_RETURN(const PhenomT22 wave, PhenomT22::Make(2, 0.5, -0.3));
//   double a = wave.Amplitude(-100), w = wave.Omega(-100), phi = wave.Phase(-100);
//   std::vector<float> h(101300);
//   wave.RealPart({-10000, 0.1}, h.size(), h.data());      // about 1 ms
//
// Ansatz: arXiv:2004.08302 and arXiv:2012.11923. Everything is float64; the phase is the analytic
// integral of the frequency in each of its regions, so nothing accumulates over the window.
//
// Domain: 1 <= q <= 8 and |spin| <= 0.8, the domain of the data set. The fits extrapolate quietly
// beyond it, which is why a value outside is an error and not a warning.
//
// A waveform is training data, so its bits must not depend on the machine: neither the constants
// nor what RealPart writes as floats go through the C library's functions, see elementary.h.
//
// Plain value; const, so any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/status.h"

namespace stemma::models {

constexpr double kMassRatioMax = 8;
constexpr double kSpinMax = 0.8;

struct Binary {
  double q = 1, s1 = 0, s2 = 0;  // s1: spin of the heavier hole
};

// (q s1 + s2) / (1 + q)
double ChiEffective(double q, double s1, double s2);
// sigma1 s1 + sigma2 s2 with sigma1 = 1 + 3/(4q), sigma2 = 1 + 3q/4: the spin that an effective
// test body feels.
double SpinEffective(double q, double s1, double s2);

// OK inside the domain; kInvalidArgument names the value and its range.
Status CheckBinary(double q, double s1, double s2);

// Sample i of a regular grid lies at from + i * step, computed so and never accumulated.
struct TimeGrid {
  double from = 0;
  double step = 1;  // > 0
};

struct WaveSample {
  double amplitude, omega, phase;
};

// Every intermediate constant, in the order in which they are computed: a test that compares them
// fails at the first wrong stage instead of at the end.
struct PhenomTStages {
  double eta, delta, spin;  // spin: (m1^2 s1 + m2^2 s2) / (m1^2 + m2^2)
  double dchi;              // s1 - s2
  double final_mass, final_spin;
  double omega_ring, alpha1, alpha2;      // ringdown frequency; damping of fundamental, overtone
  double omega_peak, t_cut;               // frequency at t = 0; end of the inspiral's frequency
  std::array<double, 14> k;               // inspiral frequency: TaylorT3, then the collocated
  std::array<double, 6> k_phase;          // k[n] / (n - 5) for n = 8..13: of the phase
  double c1, c2, c3;                      // ringdown frequency
  std::array<double, 5> e;                // merger frequency
  std::array<double, 11> amp_re, amp_im;  // inspiral amplitude, powers of sqrt(x)
  std::array<double, 4> amp_merger;
  double r1, r2, r3, r4;                                // ringdown amplitude
  double phase_inspiral, phase_merger, phase_ringdown;  // constants that make phi continuous
};

class PhenomT22 {
 public:
  // q = m1/m2 >= 1, s1 the spin of the heavier hole. kInvalidArgument names value and range.
  static Result<PhenomT22> Make(double q, double s1, double s2);

  double Omega(double t) const;  // d phi / dt
  double Amplitude(double t) const;
  double Phase(double t) const;   // 0 at t = 0
  WaveSample At(double t) const;  // the three of them, bit for bit, at the price of one

  // Re h22 = A cos(phi) on the grid, sample by sample, bit-identical to the functions above: the
  // reference.
  void RealPart(const TimeGrid& grid, int64_t count, double* out) const;
  // What the network sees: within 1e-12 of the reference, then rounded once, ten times as fast.
  // Sample i depends on the grid and on i, not on `count`. See phenomt_blocks.h.
  void RealPart(const TimeGrid& grid, int64_t count, float* out) const;

  const PhenomTStages& stages() const { return s_; }

  // One of the sixteen parameter-space fits at this waveform's parameters ("w_peak", "a_cp1", ...).
  // kNotFound for another name. For tests and for people who compare implementations.
  Result<double> Fit(const std::string& name) const;

 private:
  PhenomT22() = default;
  PhenomTStages s_{};
};

}  // namespace stemma::models
