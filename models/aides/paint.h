// Paints a galaxy, without atmosphere and noise, onto square pixels in three bands.
//
//   Bands images;
//   PaintGalaxy(galaxy, {192, .396, 95.3, 96.1}, flux, &images);   // images[kBandG][y * 192 + x]
//
// Each pixel holds the light that falls on it. Away from the core that is the brightness at its
// centre; within half a half-light radius, and two pixels in every direction, the pixel is split
// into 16 x 16 for n > 2, 8 x 8 where the profile is thinner than four pixels, else 4 x 4. Light
// beyond the grid is lost. In each band the components' shares sum
// to 1, so the total is `flux` whatever the arms do:
//
//   disc (1 + A (E - mu) / (1 + A mu))
//   E = exp(kappa (cos psi - 1)),  mu = e^-kappa I_0(kappa)
//   psi = m (theta - theta_0 - ln(R / R_0) / tan(pitch))
//   A = A_0 (R / R_0)^2 / (1 + (R / R_0)^2)
//
// mu is E's mean around the circle: the second term has none, at any radius. (It is the factor
// 1 + A E over its own mean.) Blue light comes from arms and knots more than red light does, and
// red light more from the bulge: one galaxy's colours vary inside it, its total colours do not.
//
// Same bits on every machine. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "models/aides/galaxy.h"

namespace stemma::models {

using Bands = std::array<std::vector<double>, kBands>;

struct Grid {
  size_t side = 0;                    // pixels
  double pixel = 1;                   // arcseconds
  double center_x = 0, center_y = 0;  // of the galaxy, in pixels; pixel k has its centre at k
};

// e^-kappa I_0(kappa): .4658 at 1, .2070 at 4. REQUIRES: 0 <= kappa <= 30
double ArmMean(double kappa);

// `flux` is the total of each band.
void PaintGalaxy(const Galaxy& galaxy, const Grid& grid, const PerBand& flux, Bands* images);

// The radius at which the brightness is a fifth of the mean brightness within it: Petrosian's, of
// the r band, along circles, each component rounded to its mean radius; before any seeing.
double PetrosianRadius(const Galaxy& galaxy);

}  // namespace stemma::models
