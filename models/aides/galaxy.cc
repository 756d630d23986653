#include "models/aides/galaxy.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/random.h"
#include "models/numeric/elementary.h"

namespace stemma::models {

namespace {

using internal::CosTurns;
using internal::Exp;
using internal::Log;

// How thick a disc is, seen from the side, and how round a bulge is, as shares of their widths.
constexpr double kDiscThickness = .2, kBulgeThickness = .7;

double Between(Random* draw, double low, double high) {
  return low + (high - low) * draw->Uniform();
}

double LogBetween(Random* draw, double low, double high) {
  return Exp(Between(draw, Log(low), Log(high)));
}

// Mean 0, variance 1. Not Random::Normal, which calls the C library.
double Normal(Random* draw) {
  const double radius = std::sqrt(-2 * Log(1 - draw->Uniform()));
  return radius * CosTurns(draw->Uniform());
}

// What is `thickness` thick, seen at an angle with this cosine.
double AxisRatio(double cosine, double thickness) {
  const double c2 = cosine * cosine;
  return std::sqrt(c2 + thickness * thickness * (1 - c2));
}

// The distance at which a disc of n = 1 with half-light radius 1 has a share p of its light, from
// its scale length 1 / 1.678: p = 1 - (1 + x) e^-x.
double DiscRadius(double p) {
  double low = 0, high = 20;
  for (int i = 0; i < 40; ++i) {
    const double x = .5 * (low + high);
    (1 - (1 + x) * Exp(-x) < p ? low : high) = x;
  }
  return low / 1.678346990016661;
}

void DrawArms(Random* draw, Galaxy* g) {
  const double kinds = draw->Uniform();
  g->arms = kinds < .6 ? 2 : kinds < .8 ? 3 : 4;
  g->pitch = Between(draw, 10, 30) / 360 * (draw->Uniform() < .5 ? -1 : 1);
  g->arm_start = g->bar_share > 0 ? g->bar_radius : Between(draw, .2, .4) * g->radius;
  g->arm_angle = g->bar_share > 0 ? g->bar_angle : draw->Uniform();
  g->arm_strength = Between(draw, 2, 6);
  g->arm_sharpness = Between(draw, 1.5, 4);
}

// On the crest of an arm, give or take; more of them where there is more disc.
void DrawKnots(Random* draw, Galaxy* g) {
  // A Poisson number of mean 20, as a count of exponential waiting times.
  double waited = -Log(1 - draw->Uniform()), sum = 0;
  for (; waited < 20; waited += -Log(1 - draw->Uniform())) {
    const double r = g->radius * DiscRadius(Between(draw, .2, .92));
    const double arm = static_cast<double>(draw->Below(static_cast<uint64_t>(g->arms)));
    const double wound =
        Log(r / g->arm_start) * CosTurns(g->pitch) / (CosTurns(g->pitch - .25) * internal::kTwoPi);
    const double turns = g->arm_angle + wound + arm / g->arms + .02 * Normal(draw);
    const double share = Exp(.6 * Normal(draw));
    g->knots.push_back({r * CosTurns(turns), r * CosTurns(turns - .25), share});
    sum += share;
  }
  for (Knot& knot : g->knots) knot.share /= sum;
  g->knot_share = g->knots.empty() ? 0 : Between(draw, .01, .05);
}

void DrawSpiral(Random* draw, Galaxy* g) {
  const double cosine = Between(draw, .17, 1);
  g->inclination = internal::TurnsOfCosine(cosine);
  g->axis_ratio = AxisRatio(cosine, kDiscThickness);
  g->sersic_n = Between(draw, 1.5, 4);
  g->bulge_share = LogBetween(draw, .05, .4);
  g->bulge_radius = g->radius * Between(draw, .1, .3);
  g->bulge_axis_ratio = AxisRatio(cosine, kBulgeThickness);
  if (draw->Uniform() < .3) {
    g->bar_share = Between(draw, .06, .14);
    g->bar_radius = Between(draw, .35, .6) * g->radius;
    g->bar_angle = draw->Uniform();
  }
  DrawArms(draw, g);
  DrawKnots(draw, g);
}

Random DrawsOf(uint64_t seed, uint64_t object) {
  return Random(Key({seed, object}), "aides galaxy");
}

GalaxyClass DrawClass(Random* draw) {
  return draw->U32() & 1 ? GalaxyClass::kSpiral : GalaxyClass::kElliptical;
}

// Which split each of the four objects of block `block` belongs to.
std::array<uint32_t, 4> SplitsOf(uint64_t seed, uint64_t block) {
  Random draw(Key({seed, block}), "aides split");
  std::array<uint32_t, 4> splits = {0, 1, 2, 3};
  for (size_t i = 3; i > 0; --i) std::swap(splits[i], splits[draw.Below(i + 1)]);
  return splits;
}

}  // namespace

PerBand Galaxy::Flux() const {
  const auto light = [](double magnitude) { return Exp(-.4 * 2.302585092994046 * magnitude); };
  return {light(magnitude_r + g_r), light(magnitude_r), light(magnitude_r - r_i)};
}

Galaxy DrawGalaxy(uint64_t seed, uint64_t object) {
  Random draw = DrawsOf(seed, object);
  Galaxy g;
  g.kind = DrawClass(&draw);
  g.magnitude_r = Between(&draw, 14.5, 17.5);
  g.g_r = .7 + .12 * Normal(&draw);
  g.r_i = .38 + .06 * Normal(&draw);
  g.radius = LogBetween(&draw, 2.5, 6);
  g.angle = draw.Uniform();
  if (g.kind == GalaxyClass::kSpiral) {
    DrawSpiral(&draw, &g);
  } else {
    g.sersic_n = Between(&draw, 2.5, 6);
    g.axis_ratio = Between(&draw, .5, 1);
  }
  return g;
}

GalaxyClass ClassOf(uint64_t seed, uint64_t object) {
  Random draw = DrawsOf(seed, object);
  return DrawClass(&draw);
}

GalaxySplit SplitOf(uint64_t seed, uint64_t object) {
  return static_cast<GalaxySplit>(SplitsOf(seed, object / 4)[object % 4]);
}

uint64_t ObjectOf(uint64_t seed, GalaxySplit split, uint64_t index) {
  const auto splits = SplitsOf(seed, index);
  const auto found = std::find(splits.begin(), splits.end(), static_cast<uint32_t>(split));
  return 4 * index + static_cast<uint64_t>(found - splits.begin());
}

const char* NameOf(GalaxyClass kind) {
  return kind == GalaxyClass::kSpiral ? "spiral" : "elliptical";
}

const char* NameOf(GalaxySplit split) {
  constexpr const char* kNames[] = {"train", "validation", "test", "unlabelled"};
  return kNames[static_cast<uint32_t>(split)];
}

}  // namespace stemma::models
