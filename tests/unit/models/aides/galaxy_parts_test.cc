// The pieces of a simulated galaxy against closed forms and against golden values of the design.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/random.h"
#include "models/aides/convolve.h"
#include "models/aides/counts.h"
#include "models/aides/moffat.h"
#include "models/aides/paint.h"
#include "models/aides/picture.h"
#include "models/aides/radial_table.h"
#include "models/aides/sersic.h"
#include "models/numeric/elementary.h"

#include <catch2/catch.hpp>

namespace stemma::models {
namespace {

TEST_CASE("sersic: b, K and the centre's brightness to the digits of the golden table") {
  const struct {
    double n, b, k, center;
  } rows[] = {
      {0.5, 0.693147180560, 9.06472028365, 2},
      {1, 1.678346990017, 11.9484947415, 5.35669398},
      {2, 3.672060748851, 16.3108804818, 39.3328775827},
      {2.5, 4.670908882796, 18.1081504820, 106.794762258},
      {3.5, 6.669637074550, 21.2545330712, 788.109527548},
      {4, 7.669249442501, 22.6652337236, 2141.47354288},
      {6, 11.668363153045, 27.5977274383, 116816.914293},
  };
  for (const auto& row : rows) {
    INFO("n = " << row.n);
    CHECK(std::abs(SersicB(row.n) - row.b) < 6e-13);
    CHECK(SersicK(row.n) == Approx(row.k).epsilon(5e-12));
    CHECK(std::exp(SersicB(row.n)) == Approx(row.center).epsilon(2e-9));
    CHECK(std::abs(GammaBelow(2 * row.n, SersicB(row.n)) - .5) < 1e-13);
  }
  const Sersic profile(3.5, 2.5);
  CHECK(40 * profile.At(0) == Approx(237.309422861584).epsilon(1e-12));
  CHECK(40 * profile.At(10.0001) == Approx(.0117758312).epsilon(5e-9));
  for (const double x : {.1, .5, 1., 2.5, 7., 11.9, 12., 100., 1e5}) {
    const double expected = std::lgamma(x);
    CHECK(std::abs(LogGamma(x) - expected) < 1e-14 * std::max(1., std::abs(expected)));
  }
}

TEST_CASE("radial table: within its stated error of the profile it holds") {
  double near = 0, far = 0;
  Random draw(Key({1}), "table");
  for (const double n : {1., 2.5, 4., 6.}) {
    const Sersic profile(n, 3);
    const RadialTable<1> table(3e-4, 90,
                               [&](double r) { return std::array<double, 1>{profile.At(r)}; });
    for (int i = 0; i < 5000; ++i) {
      const double r = 3 * internal::Exp(std::log(1e-3) + std::log(8e3) * draw.Uniform());
      const double error = std::abs(table.At(r * r)[0] / profile.At(r) - 1);
      (r <= 3 ? near : far) = std::max(r <= 3 ? near : far, error);
    }
    CHECK(table.At(0)[0] == Approx(profile.At(3e-4)).epsilon(1e-2));
    CHECK(table.At(1e6)[0] == 0);
  }
  WARN("largest relative error of the table: " << near << " within the half-light radius, " << far
                                               << " within eight of them");
  CHECK(near < 3e-5);
  CHECK(far < 4e-4);
}

TEST_CASE("moffat: widths, peaks and enclosed light of the golden table") {
  const struct {
    double beta, alpha, peak, within;
  } rows[] = {{2.5, .884563869956, .610215160278, .340246044614},
              {3.5, 1.068401302122, .697142113425, .390493172898},
              {4.765, 1.263582188961, .750599233590, .421710589707}};
  for (const auto& row : rows) {
    const double fwhm = 1.3;
    const Moffat star(row.beta, fwhm);
    CHECK(std::sqrt(star.alpha2()) / fwhm == Approx(row.alpha).epsilon(1e-11));
    CHECK(star.peak() * fwhm * fwhm == Approx(row.peak).epsilon(1e-11));
    CHECK(star.Within(fwhm * fwhm / 4) == Approx(row.within).epsilon(1e-11));
    CHECK(star.At(fwhm * fwhm / 4) == Approx(star.peak() / 2).epsilon(1e-13));
  }
}

TEST_CASE("convolution: equals the direct sum, whatever factors the side has") {
  Random draw(Key({2}), "convolution");
  CHECK(GoodSide(0) == 8);
  CHECK(GoodSide(65) == 72);
  CHECK(GoodSide(193) == 216);
  for (const size_t n : {8, 16, 24, 48, 72}) {
    REQUIRE(GoodSide(n) == n);
    std::vector<double> kernel(n * n), image(n * n);
    for (double& v : image) v = draw.Uniform();
    const Moffat star(3.5, 2.5);
    for (size_t i = 0; i < n * n; ++i) {
      const double dx = static_cast<double>(std::min(i % n, n - i % n));
      const double dy = static_cast<double>(std::min(i / n, n - i / n));
      kernel[i] = star.At(dx * dx + 1.7 * dy * dy);  // not round: directions must not be swapped
    }
    std::vector<double> got = image;
    WrappedConvolution(n, kernel).Apply(&got);
    double worst = 0;
    for (size_t at = 0; at < n * n; at += 7) {
      double sum = 0;
      for (size_t i = 0; i < n * n; ++i) {
        const size_t dx = (at % n + n - i % n) % n, dy = (at / n + n - i / n) % n;
        sum += image[i] * kernel[dy * n + dx];
      }
      worst = std::max(worst, std::abs(sum - got[at]));
    }
    INFO("side " << n);
    CHECK(worst < 1e-14);
  }
}

TEST_CASE("counts: Poisson at every size, and a normal beside it") {
  // Chi-square of 200,000 counts of mean 12 against the probabilities; 26 cells, 25 free.
  const PixelNoise noise(Key({3}));
  const double mean = 12;
  constexpr int kCells = 26;
  constexpr uint64_t kDraws = 200000;
  std::vector<double> seen(kCells), expected(kCells);
  for (uint64_t i = 0; i < kDraws; ++i) {
    seen[static_cast<size_t>(std::min(noise.Poisson(i, mean), kCells - 1.))] += 1;
  }
  double rest = 1;
  for (int k = 0; k < kCells; ++k) {
    const double p = std::exp(k * std::log(mean) - mean - std::lgamma(k + 1.));
    expected[static_cast<size_t>(k)] = kDraws * (k == kCells - 1 ? rest : p);
    rest -= p;
  }
  double chi = 0;
  for (size_t k = 0; k < kCells; ++k) {
    chi += (seen[k] - expected[k]) * (seen[k] - expected[k]) / expected[k];
  }
  CHECK(chi < 60);  // five standard deviations above 25
  for (const double large : {10., 500., 1e6}) {
    double sum = 0, squares = 0, z_sum = 0, z_squares = 0, product = 0;
    constexpr double kCount = 50000;
    for (uint64_t i = 0; i < kCount; ++i) {
      const double k = noise.Poisson(i, large), d = (k - large) / std::sqrt(large);
      const double z = noise.Normal(i);
      REQUIRE(k == std::floor(k));
      sum += d;
      squares += d * d;
      z_sum += z;
      z_squares += z * z;
      product += z * d;
      REQUIRE(noise.Electrons(i, large, 3) == k + 3 * z);
    }
    INFO("mean " << large);
    CHECK(std::abs(sum / kCount) < 5 / std::sqrt(kCount));
    CHECK(std::abs(squares / kCount - 1) < 5 * std::sqrt(2.1 / kCount));
    CHECK(std::abs(z_sum / kCount) < 5 / std::sqrt(kCount));
    CHECK(std::abs(z_squares / kCount - 1) < 5 * std::sqrt(2 / kCount));
    CHECK(std::abs(product / kCount) < 5 / std::sqrt(kCount));
  }
}

TEST_CASE("lupton: the golden colours before truncation") {
  const struct {
    double in[3], out[3];
  } rows[] = {{{.9, .5, .2}, {220.17997627, 122.32220904, 48.92888361}},
              {{.1, .1, .1}, {25.5, 25.5, 25.5}},
              {{1, 1, 1}, {225.12379256, 225.12379256, 225.12379256}},
              {{.5, 0, 0}, {127.12791299, 0, 0}},
              {{1, .2, -.1}, {250.02127928, 50.00425586, 0}},
              {{0, 0, 0}, {0, 0, 0}},
              {{-1, 0, .5}, {0, 0, 0}}};
  for (const auto& row : rows) {
    const auto got = Lupton(row.in[0], row.in[1], row.in[2]);
    for (size_t c = 0; c < 3; ++c) CHECK(std::abs(got[c] - row.out[c]) < 1e-8);
  }
  const auto bright = Lupton(2, 0, 0);  // asinh(2/3) * 255.42 * 3 = 478 is above 255
  CHECK(bright[0] == Approx(255).epsilon(1e-12));
}

TEST_CASE("picture: resize, rescale and the network's planes") {
  std::vector<double> ramp(10 * 10);
  for (size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<double>(i % 10 + 100 * (i / 10));
  CHECK(ResizeLinear(ramp, 10, 10) == ramp);
  const auto twice = ResizeLinear(ramp, 10, 20);
  CHECK(twice[0] == 0);            // beyond the first centre: the edge's value
  CHECK(twice[1] == Approx(.25));  // centres at (i + 1/2) / 2 - 1/2
  CHECK(twice[20 * 3 + 6] == Approx(2.75 + 125));

  std::vector<double> band = {0, 0, 0, 0, 1, 1, 1, 9};  // mean 1.5, of squares 10.5
  std::vector<double> all = band, faint = band;
  RescaleBand(Rescale::kAllPixels, &all);
  const double sigma = std::sqrt(84. / 8 - 1.5 * 1.5);
  CHECK(all[0] == Approx((0 - 1.5 + sigma) / (6 * sigma)));
  CHECK(all[7] == Approx((9 - 1.5 + sigma) / (6 * sigma)));
  RescaleBand(Rescale::kFaintHalf, &faint);  // the fainter half is all 0: no contrast at all
  CHECK(*std::max_element(faint.begin(), faint.end()) == 0);
  band[0] = -2;  // fainter half -2, 0, 0, 0: mean -.5, variance .75
  RescaleBand(Rescale::kFaintHalf, &band);
  CHECK(band[1] == Approx((.5 + std::sqrt(.75)) / (6 * std::sqrt(.75))));
  CHECK(band[7] == 1);

  Picture picture = {2, {10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 255}};
  std::vector<float> x(3 * 9);
  NetworkInput(picture, 3, x.data());
  const uint8_t red[9] = {10, 10, 40, 10, 10, 40, 70, 70, 100};
  for (size_t i = 0; i < 9; ++i) CHECK(x[i] == static_cast<float>(red[i]) / 255);
  CHECK(x[26] == 1);
  CHECK(ResizeNearest(picture, 3).rgb[3 * 5 + 1] == 50);
}

double SumOf(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x;
  return sum;
}

TEST_CASE("paint: all of the light is there, whatever the arms, the bar and the knots do") {
  CHECK(ArmMean(1) == Approx(.4658).epsilon(1e-4));
  CHECK(ArmMean(2) == Approx(.3085).epsilon(1e-4));
  CHECK(ArmMean(4) == Approx(.2070).epsilon(1e-4));
  Galaxy g;
  g.radius = 3;
  const Grid grid = {240, .3, 119.7, 120.2};
  Bands images;
  double worst = 0;
  for (const double n : {2.5, 4., 6.}) {
    g.sersic_n = n;
    g.axis_ratio = .7;
    g.angle = .1;
    PaintGalaxy(g, grid, {1, 2, 3}, &images);
    // Within the circle of radius 9: the light of the ellipse is between those of two circles.
    double inside = 0;
    for (size_t i = 0; i < images[kBandR].size(); ++i) {
      const double dx = (static_cast<double>(i % 240) - 119.7) * .3;
      const double dy = (static_cast<double>(i / 240) - 120.2) * .3;
      const double c = std::cos(.2 * M_PI), s = std::sin(.2 * M_PI);
      const double u = c * dx + s * dy, v = (c * dy - s * dx) / .7;
      if (u * u + v * v < 81) inside += images[kBandR][i];
    }
    const double expected = GammaBelow(2 * n, SersicB(n) * std::pow(3, 1 / n));
    worst = std::max(worst, std::abs(inside / 2 / expected - 1));
    CHECK(SumOf(images[kBandI]) == Approx(1.5 * SumOf(images[kBandR])));
  }
  WARN("largest relative error of an elliptical's light within three half-light radii: " << worst);
  CHECK(worst < 5e-3);
  worst = 0;
  int spirals = 0;
  for (uint64_t object = 0; spirals < 12; ++object) {
    const Galaxy spiral = DrawGalaxy(5, object);
    if (spiral.kind != GalaxyClass::kSpiral) continue;
    ++spirals;
    PaintGalaxy(spiral, {320, .396, 159.7, 160.2}, {1, 1, 1}, &images);  // holds all of it
    for (const auto& image : images) {
      worst = std::max(worst, std::abs(SumOf(image) - 1));
      CHECK(*std::min_element(image.begin(), image.end()) >= 0);
    }
  }
  WARN("largest relative error of a spiral's light: " << worst);
  CHECK(worst < 1e-2);
}

TEST_CASE("paint: arms are where the formula says, and Petrosian's radius is a fifth") {
  Galaxy g;
  g.kind = GalaxyClass::kSpiral;
  g.radius = 8;
  g.bulge_radius = 1;
  g.bulge_share = 1e-9;
  g.arms = 2;
  g.pitch = 20. / 360;
  g.arm_start = 2;
  g.arm_strength = 4;
  g.arm_sharpness = 4;
  g.sersic_n = 2;
  const Grid grid = {200, .2, 100, 100};
  Bands images;
  PaintGalaxy(g, grid, {1, 1, 1}, &images);
  // On a circle of radius 6 the crests are at ln(6 / 2) / tan 20 degrees and opposite.
  const double crest = std::log(3) / std::tan(20 * M_PI / 180);
  double best = 0, best_angle = 0;
  for (int k = 0; k < 720; ++k) {
    const double angle = k * M_PI / 720;
    const auto x = static_cast<size_t>(std::lround(100 + 30 * std::cos(angle)));
    const auto y = static_cast<size_t>(std::lround(100 + 30 * std::sin(angle)));
    if (images[kBandG][y * 200 + x] > best) {
      best = images[kBandG][y * 200 + x];
      best_angle = angle;
    }
  }
  CHECK(std::abs(std::remainder(best_angle - crest, M_PI)) < .08);
  // Petrosian's radius of an exponential disc: x^2 e^-x / (2 (1 - (1 + x) e^-x)) = 1/5 at 3.63.
  const double x = PetrosianRadius(g) * 1.678346990017 / 8;
  CHECK(x * x * std::exp(-x) / (2 * (1 - (1 + x) * std::exp(-x))) == Approx(.2).epsilon(.03));
  for (const double turns : {0., .1, .25, .4, .5}) {
    CHECK(internal::TurnsOfCosine(std::cos(2 * M_PI * turns)) == Approx(turns).margin(1e-8));
  }
}

}  // namespace
}  // namespace stemma::models
