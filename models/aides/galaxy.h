// A simulated galaxy as it is, before any telescope: what is drawn for each object. MODELS of the
// real sky are not claimed: every figure made with these is one of simulated galaxies.
//
//   const Galaxy g = DrawGalaxy(seed, 17);                // a pure function
//   const GalaxySplit s = SplitOf(seed, 17);              // train, validation, test or unlabelled
//   const uint64_t o = ObjectOf(seed, s, 4);              // the number of that split's 4th
//
// What both classes share is drawn first, and from the same distributions: magnitude, colours,
// half-light radius and position angle. So total fluxes and colours say nothing about the class
// (a test fits a logistic regression to them). What differs is form: an elliptical is one Sersic
// profile, n in [2.5, 6], axis ratio in [.5, 1]; a spiral is a disc of n = 1 with a bulge, two to
// four logarithmic arms, in three of ten cases a bar, and bright knots along the arms, inclined by
// up to 80 degrees (cos i even in [.17, 1]: edge-on ones have no visible arms, as in the sky).
//
// The split is a hash's: objects 4k .. 4k+3 belong to one split each, in an order that depends on
// (seed, k). So no object is in two splits, whatever their sizes, and both telescopes see it from
// the same side.
//
// Lengths in arcseconds, angles in turns. Plain values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace stemma::models {

// These numbers are labels and stored choices: never renumber.
enum class GalaxyClass { kElliptical = 0, kSpiral = 1 };
constexpr int kNotLabelled = -1;  // in place of a class
enum class GalaxySplit : uint32_t { kTrain = 0, kValidation = 1, kTest = 2, kUnlabelled = 3 };

constexpr int kBandG = 0, kBandR = 1, kBandI = 2, kBands = 3;
using PerBand = std::array<double, kBands>;

struct Knot {  // a region of young stars, in the plane of the disc
  double x = 0, y = 0;
  double share = 0;  // of the light of all knots
};

struct Galaxy {
  GalaxyClass kind = GalaxyClass::kElliptical;
  double magnitude_r = 0, g_r = 0, r_i = 0;  // of all its light
  double radius = 0;      // half-light radius along the major axis, of a spiral's disc
  double axis_ratio = 1;  // as seen
  double angle = 0;       // of the major axis
  double sersic_n = 4;    // of an elliptical, or of a spiral's bulge

  // Spirals only.
  double inclination = 0;                                          // 0: face-on
  double bulge_share = 0, bulge_radius = 0, bulge_axis_ratio = 1;  // share of the r light
  double bar_share = 0, bar_radius = 0, bar_angle = 0;             // share 0: no bar
  int arms = 0;
  double pitch = 0;          // positive or negative: the sense of winding
  double arm_angle = 0;      // where an arm crosses arm_start
  double arm_start = 0;      // the arms fade out below it
  double arm_strength = 0;   // A: how much an arm adds to the disc, at its crest
  double arm_sharpness = 1;  // kappa in exp(kappa (cos - 1))
  double knot_share = 0;     // of the r light; 0 if there are none
  std::vector<Knot> knots;

  // Light per band, relative to zero magnitude.
  PerBand Flux() const;
};

Galaxy DrawGalaxy(uint64_t seed, uint64_t object);
GalaxyClass ClassOf(uint64_t seed, uint64_t object);  // that of DrawGalaxy, at less cost

GalaxySplit SplitOf(uint64_t seed, uint64_t object);
// The object that is number `index` of this split; it lies in [4 index, 4 index + 4).
uint64_t ObjectOf(uint64_t seed, GalaxySplit split, uint64_t index);

const char* NameOf(GalaxyClass kind);
const char* NameOf(GalaxySplit split);

}  // namespace stemma::models
