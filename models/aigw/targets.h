// What the network is trained to say of a binary: five numbers, in their own units as in the
// original, or standardised.
//
//   AigwValues y = TargetsOf(settings, binary);
//   AigwValues values = ValuesFromTargets(settings, outputs);      // q, s1, s2, chi_eff, S_eff
//   back
//
// aigw.targets = "raw": q (or 1/q, aigw.target_q) reaches 8 and S_eff 6.5, so that the squared
// error of S_eff outweighs those of both spins by ten times and more. "standard": each less its
// mean, divided by its standard deviation over the data set, so that all five count alike. Both
// numbers are constants of the distribution that dataset.h draws from, not measured ones: they are
// the same for every size and seed.
//
// Pure functions; any thread. No LibTorch.
#pragma once

#include "models/aigw/combine.h"
#include "models/aigw/settings.h"

namespace stemma::models {

AigwValues TargetsOf(const AigwSettings& settings, const Binary& binary);
// Back: the first is q, never 1/q; an output of 1/q below 1/16 counts as 1/16. REQUIRES: five
// outputs
AigwValues ValuesFromTargets(const AigwSettings& settings, const float* outputs);

}  // namespace stemma::models
