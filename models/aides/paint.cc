#include "models/aides/paint.h"

#include <algorithm>
#include <cmath>

#include "models/aides/radial_table.h"
#include "models/aides/sersic.h"
#include "models/numeric/elementary.h"

namespace stemma::models {

namespace {

using internal::CosTurns;
using internal::Exp;
using internal::Log;

// An ellipse's own coordinates: along its axes, in units in which it is a circle.
struct Frame {
  Frame(double angle, double axis_ratio)
      : cosine(CosTurns(angle)), sine(CosTurns(angle - .25)), squeeze(1 / axis_ratio) {}
  double X(double dx, double dy) const { return cosine * dx + sine * dy; }
  double Y(double dx, double dy) const { return (cosine * dy - sine * dx) * squeeze; }
  double cosine, sine, squeeze;
};

// Pixels within `radius` of the centre are split into `parts` x `parts`.
struct Core {
  double radius;
  int parts;
};

Core CoreOf(double n, double half_light_radius, double axis_ratio, double pixel) {
  const bool small = half_light_radius * axis_ratio < 4 * pixel;
  return {std::max(.5 * half_light_radius, 2 * pixel / axis_ratio), n > 2 ? 16 : small ? 8 : 4};
}

// Calls `add(index, mean brightness)` for each pixel; `light(x, y)` in the frame's coordinates.
template <typename Light, typename Add>
void EachPixel(const Grid& grid, const Frame& frame, const Core& core, Light light, Add add) {
  const double core2 = core.radius * core.radius, step = grid.pixel / core.parts;
  const double share = 1.0 / (core.parts * core.parts), edge = .5 * (grid.pixel - step);
  for (size_t row = 0; row < grid.side; ++row) {
    const double dy = (static_cast<double>(row) - grid.center_y) * grid.pixel;
    for (size_t column = 0; column < grid.side; ++column) {
      const double dx = (static_cast<double>(column) - grid.center_x) * grid.pixel;
      const double x = frame.X(dx, dy), y = frame.Y(dx, dy);
      double mean = 0;
      if (x * x + y * y >= core2) {
        mean = light(x, y);
      } else {
        for (int i = 0; i < core.parts; ++i) {
          for (int j = 0; j < core.parts; ++j) {
            const double sx = dx - edge + j * step, sy = dy - edge + i * step;
            mean += light(frame.X(sx, sy), frame.Y(sx, sy));
          }
        }
        mean *= share;
      }
      add(row * grid.side + column, mean);
    }
  }
}

struct Ellipse {
  double n, radius, axis_ratio, angle;
};

// A Sersic profile of total light `flux`.
void PaintEllipse(const Ellipse& e, const Grid& grid, const PerBand& flux, Bands* images) {
  const Sersic profile(e.n, e.radius);
  const double scale = grid.pixel * grid.pixel / e.axis_ratio;
  const RadialTable<1> table(1e-4 * e.radius, 30 * e.radius, [&](double r) {
    return std::array<double, 1>{scale * profile.At(r)};
  });
  EachPixel(
      grid, Frame(e.angle, e.axis_ratio), CoreOf(e.n, e.radius, e.axis_ratio, grid.pixel),
      [&](double x, double y) { return table.At(x * x + y * y)[0]; },
      [&](size_t i, double light) {
        for (size_t band = 0; band < kBands; ++band) (*images)[band][i] += flux[band] * light;
      });
}

// How strongly each band sees the arms. At most 1: the light between the arms stays positive.
constexpr PerBand kArmColour = {1, .9, .75};

// The disc, and on it the arms: each band sees them a little differently.
void PaintDisc(const Galaxy& g, const Grid& grid, const PerBand& flux, Bands* images) {
  const Sersic profile(1, g.radius);
  const double scale = grid.pixel * grid.pixel / g.axis_ratio;
  const double mean = ArmMean(g.arm_sharpness), m = g.arms;
  const double cotangent = CosTurns(g.pitch) / CosTurns(g.pitch - .25) / internal::kTwoPi;
  // Of the radius: disc, arms on it, and the cosine and sine of the arms' phase over R^m.
  const RadialTable<4> table(1e-2 * g.radius, 20 * g.radius, [&](double r) {
    const double disc = scale * profile.At(r), near = r * r / (g.arm_start * g.arm_start);
    const double a = g.arm_strength * near / (1 + near);
    const double phase = m * (g.arm_angle + Log(r / g.arm_start) * cotangent);
    const double power = Exp(-m * Log(r));
    return std::array<double, 4>{disc, disc * a / (1 + a * mean), CosTurns(phase) * power,
                                 CosTurns(phase - .25) * power};
  });
  std::vector<double> arms(grid.side * grid.side);
  const Frame frame(g.angle, g.axis_ratio);
  const Core core = CoreOf(1, g.radius, g.axis_ratio, grid.pixel);
  const auto light = [&](double x, double y) { return table.At(x * x + y * y)[0]; };
  const auto contrast = [&](double x, double y) {
    const auto row = table.At(x * x + y * y);
    double re = x * x - y * y, im = 2 * x * y;  // (x + iy)^m = R^m e^(i m theta)
    if (g.arms == 4) {
      const double square = re * re - im * im;
      im = 2 * re * im;
      re = square;
    } else if (g.arms == 3) {
      const double cube = re * x - im * y;
      im = re * y + im * x;
      re = cube;
    }
    const double cosine = re * row[2] + im * row[3];
    return row[1] * (Exp(g.arm_sharpness * (cosine - 1)) - mean);
  };
  EachPixel(grid, frame, core, contrast, [&](size_t i, double value) { arms[i] = value; });
  EachPixel(grid, frame, core, light, [&](size_t i, double value) {
    for (size_t band = 0; band < kBands; ++band) {
      (*images)[band][i] += flux[band] * (value + kArmColour[band] * arms[i]);
    }
  });
}

// A point's light goes to the four nearest pixels, in proportion.
void PaintKnots(const Galaxy& g, const Grid& grid, const PerBand& flux, Bands* images) {
  const Frame frame(g.angle, g.axis_ratio);
  for (const Knot& knot : g.knots) {
    const double flat = knot.y * g.axis_ratio;
    const double x = grid.center_x + (frame.cosine * knot.x - frame.sine * flat) / grid.pixel;
    const double y = grid.center_y + (frame.sine * knot.x + frame.cosine * flat) / grid.pixel;
    const double last = static_cast<double>(grid.side) - 1;
    if (!(x >= 0 && y >= 0 && x < last && y < last)) continue;
    const double fx = x - std::floor(x), fy = y - std::floor(y);
    const size_t at = static_cast<size_t>(y) * grid.side + static_cast<size_t>(x);
    for (size_t band = 0; band < kBands; ++band) {
      const double light = flux[band] * knot.share;
      double* const image = (*images)[band].data();
      image[at] += light * (1 - fx) * (1 - fy);
      image[at + 1] += light * fx * (1 - fy);
      image[at + grid.side] += light * (1 - fx) * fy;
      image[at + grid.side + 1] += light * fx * fy;
    }
  }
}

PerBand Times(const PerBand& a, const PerBand& b) {
  return {a[0] * b[0], a[1] * b[1], a[2] * b[2]};
}

// The bulge is redder than all its galaxy, the knots are bluer; the disc has what is left.
struct Shares {
  explicit Shares(const Galaxy& g) {
    constexpr PerBand kBulgeColour = {.85, 1, 1.08}, kKnotColour = {1.4, 1, .7};
    for (size_t band = 0; band < kBands; ++band) {
      bulge[band] = g.bulge_share * kBulgeColour[band];
      bar[band] = g.bar_share;
      knots[band] = g.knot_share * kKnotColour[band];
      disc[band] = 1 - bulge[band] - bar[band] - knots[band];
    }
  }
  PerBand bulge, bar, knots, disc;
};

constexpr double kBarIndex = .5, kBarAxisRatio = .28, kBarHalfLight = .55;

// An ellipse in the disc's plane, seen from the side: a Gaussian stays one.
Ellipse BarOf(const Galaxy& g) {
  const double c = CosTurns(g.bar_angle), s = CosTurns(g.bar_angle - .25);
  const double tilt = g.axis_ratio, thin = kBarAxisRatio * kBarAxisRatio;
  // Second moments in the frame of the disc, then its principal axes.
  const double xx = c * c + thin * s * s, yy = tilt * tilt * (s * s + thin * c * c);
  const double xy = tilt * (1 - thin) * s * c;
  const double middle = .5 * (xx + yy), spread = std::sqrt(.25 * (xx - yy) * (xx - yy) + xy * xy);
  const double longer = middle + spread, shorter = std::max(middle - spread, 1e-4);
  // Twice the angle between the longer axis and the disc's is that of (xx - yy, 2 xy).
  const double cosine = spread > 0 ? .5 * (xx - yy) / spread : 1;
  const double half = std::sqrt(.5 * (1 + std::min(1., std::max(-1., cosine))));
  const double turned = internal::TurnsOfCosine(half) * (xy < 0 ? -1 : 1);
  return {kBarIndex, kBarHalfLight * g.bar_radius * std::sqrt(longer), std::sqrt(shorter / longer),
          g.angle + turned};
}

}  // namespace

double ArmMean(double kappa) {
  double term = 1, sum = 1;
  for (int k = 1; k < 200 && term > 1e-17 * sum; ++k) {
    term *= kappa * kappa / (4. * k * k);
    sum += term;
  }
  return sum * Exp(-kappa);
}

void PaintGalaxy(const Galaxy& g, const Grid& grid, const PerBand& flux, Bands* images) {
  for (auto& image : *images) image.assign(grid.side * grid.side, 0);
  if (g.kind == GalaxyClass::kElliptical) {
    PaintEllipse({g.sersic_n, g.radius, g.axis_ratio, g.angle}, grid, flux, images);
    return;
  }
  const Shares shares(g);
  PaintDisc(g, grid, Times(flux, shares.disc), images);
  PaintEllipse({g.sersic_n, g.bulge_radius, g.bulge_axis_ratio, g.angle}, grid,
               Times(flux, shares.bulge), images);
  if (g.bar_share > 0) PaintEllipse(BarOf(g), grid, Times(flux, shares.bar), images);
  PaintKnots(g, grid, Times(flux, shares.knots), images);
}

double PetrosianRadius(const Galaxy& g) {
  struct Part {
    Sersic profile;
    double share;
  };
  std::vector<Part> parts;
  const auto add = [&](double n, double radius, double axis_ratio, double share) {
    if (share > 0) parts.push_back({Sersic(n, radius * std::sqrt(axis_ratio)), share});
  };
  if (g.kind == GalaxyClass::kElliptical) {
    add(g.sersic_n, g.radius, g.axis_ratio, 1);
  } else {
    add(1, g.radius, g.axis_ratio, 1 - g.bulge_share - g.bar_share);
    add(g.sersic_n, g.bulge_radius, g.bulge_axis_ratio, g.bulge_share);
    if (g.bar_share > 0) {
      const Ellipse bar = BarOf(g);
      add(bar.n, bar.radius, bar.axis_ratio, g.bar_share);
    }
  }
  const auto brightness = [&](double r) {
    double sum = 0;
    for (const Part& part : parts) sum += part.share * part.profile.At(r);
    return sum;
  };
  // Light within r by the trapezoidal rule over ln r, from a thousandth of the radius outwards.
  constexpr double kStep = .02;
  const double from = 1e-3 * g.radius, factor = Exp(kStep);
  double r = from, light = .5 * internal::kTwoPi * r * r * brightness(r), last = 2 * light;
  double outermost = r;  // a compact bulge may have one of its own, far inside
  for (double ratio = 1; r < 8 * g.radius; r *= factor) {
    const double next = internal::kTwoPi * r * r * factor * factor * brightness(r * factor);
    light += .5 * kStep * (last + next);
    last = next;
    const double before = ratio;
    ratio = .5 * next / light;
    if (before >= .2 && ratio < .2) outermost = r * (1 + kStep * (before - .2) / (before - ratio));
  }
  return outermost;
}

}  // namespace stemma::models
