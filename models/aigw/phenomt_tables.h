// The numbers of IMRPhenomT (2,2), compiled in so that no program reads a file for them. Internal
// to phenomt.cc; generated from tests/golden/data/gw by tools/gen/phenomt_tables.py.
//
// A fit is a sum of groups, kept in the factored form in which fits are published:
//   eta^p * sum of c * eta^e * S^s * dchi^d * delta^l * num(eta) / den(eta)
// Polynomials are runs of kCoefficients, ascending. Quasi-normal modes and the remnant have the
// same form with other meanings of the first variable.
#pragma once

namespace stemma::models::internal {

struct Group {
  double c;
  int e, s, dchi, delta;     // powers
  int num_first, num_count;  // in kCoefficients
  int den_first, den_count;
};

struct GroupSum {
  const char* name;
  int eta_power;     // p
  int first, count;  // in kGroups
};

// One monomial of a post-Newtonian series: a contribution to the coefficient of `order`.
struct SeriesTerm {
  int order;
  double factor;
  int powers[7];  // of eta, delta, s1, s2, pi, Euler's gamma, ln 2
};

extern const double kCoefficients[];
extern const Group kGroups[];
extern const GroupSum kSums[];
extern const int kSumCount;
extern const SeriesTerm kTaylorT3Omega[];
extern const int kTaylorT3OmegaCount;
extern const SeriesTerm kAmplitudeRe[];
extern const int kAmplitudeReCount;
extern const SeriesTerm kAmplitudeIm[];
extern const int kAmplitudeImCount;

}  // namespace stemma::models::internal
