// The numbers of IMRPhenomD, compiled in. Internal to phenomd.cc; generated from
// tests/golden/data/gw by tools/gen/phenomd_tables.py. Source: table V of arXiv:1508.07253 and the
// post-Newtonian series it builds on.
//
// A row is one coefficient of the model as a polynomial in eta and z = chi_PN - 1; its columns
// multiply 1, eta, z, z eta, z eta^2, z^2, z^2 eta, z^2 eta^2, z^3, z^3 eta, z^3 eta^2.
#pragma once

#include "models/aigw/phenomt_tables.h"

namespace stemma::models::internal {

// clang-format off
enum PhenomDRow {
  kRho1, kRho2, kRho3,                          // inspiral amplitude
  kV2,                                          // intermediate amplitude
  kGamma1, kGamma2, kGamma3,                    // merger-ringdown amplitude
  kSigma1, kSigma2, kSigma3, kSigma4,           // inspiral phase
  kBeta1, kBeta2, kBeta3,                       // intermediate phase
  kAlpha1, kAlpha2, kAlpha3, kAlpha4, kAlpha5,  // merger-ringdown phase
  kPhenomDRows
};
// clang-format on
constexpr int kPhenomDColumns = 11;

extern const double kPhenomDTable[];  // row by row
extern const SeriesTerm
    kTaylorF2Phase[];  // orders of v = (pi f)^(1/3), of which v^5 is divided off
extern const int kTaylorF2PhaseCount;
extern const SeriesTerm kTaylorF2PhaseLog[];  // the factors of ln v
extern const int kTaylorF2PhaseLogCount;
extern const SeriesTerm kAmplitudeF[];  // orders of v
extern const int kAmplitudeFCount;

}  // namespace stemma::models::internal
