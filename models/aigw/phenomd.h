// IMRPhenomD: the gravitational wave of two black holes with aligned spins in closed form in the
// frequency domain. A second, independent family beside IMRPhenomT (phenomt.h): other ansatz, other
// fits, other calibration, so where the two agree, neither has a gross error.
//
//   STEMMA_ASSIGN_OR_RETURN(const PhenomD wave, PhenomD::Make(2, 0.5, -0.3));
//   double a = wave.Amplitude(0.05), phi = wave.Phase(0.05);    // at M f = 0.05
//
// h+~(f) = A e^(-i phi) of a face-on binary, for a transform with the kernel e^(-2 pi i f t), in
// units of the total mass M: f stands for M f throughout. The peak of the wave is near t = 0. The
// phase has an arbitrary constant, as in the papers.
//
// Sources, by what they define:
//   arXiv:1508.07250  final spin (3.6), radiated energy (3.8)
//   arXiv:1508.07253  amplitude: inspiral (30), merger-ringdown (19) and its peak (20), between
//   them
//                     a polynomial of degree 4; phase: inspiral TaylorF2 with pseudo terms (28),
//                     intermediate (16), merger-ringdown (14), joins (36); reduced spin chi_PN and
//                     the coefficients' ansatz (31) with table V
// The quasi-normal mode is a closed fit to the Kerr spectrum (that of phenomt.h) in the place of
// the authors' interpolated table, and TaylorF2 has no 3PN spin-spin term, as in the calibration.
//
// Accuracy: below 1 % mismatch to numerical relativity where it was calibrated; off by up to 10 %
// at q = 8 with a large positive spin of the heavier hole (overlap.h and family_match.h measure
// it). That is a weakness of the model, which is why it checks the data and does not make them.
//
// Domain: that of phenomt.h. Functions of the C library are used: the last digits may differ
// between machines. Plain value; const, so any thread.
#pragma once

#include <array>

#include "core/status.h"

namespace stemma::models {

// Every intermediate constant, in the order in which they are computed.
struct PhenomDStages {
  double eta, delta, chi;                  // chi: the reduced spin chi_PN
  double final_spin, radiated_energy;      // of M^2 and M
  double f_ring, f_damp, f_peak;           // f_peak: of the merger-ringdown amplitude
  std::array<double, 19> row;              // table V at this binary, see phenomd_tables.h
  std::array<double, 8> phase, phase_log;  // TaylorF2
  std::array<double, 10> amplitude;        // inspiral, powers of f^(1/3)
  std::array<double, 5> quartic;           // intermediate amplitude
  double join1, join2;                     // f at which the three phases meet
  double b0, b1, a0, a1;                   // constant and slope added to the second and the third
  double t0;                               // time shift that puts the peak at 0
};

class PhenomD {
 public:
  // q = m1/m2 >= 1, s1 the spin of the heavier hole. kInvalidArgument names value and range.
  static Result<PhenomD> Make(double q, double s1, double s2);

  // REQUIRES: f > 0. The amplitude is 0 above 0.2.
  double Amplitude(double f) const;
  double Phase(double f) const;

  const PhenomDStages& stages() const { return s_; }

 private:
  PhenomD() = default;
  PhenomDStages s_{};
};

}  // namespace stemma::models
