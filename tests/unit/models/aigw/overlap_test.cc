#include "models/aigw/overlap.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <vector>

#include "core/random.h"
#include "models/aigw/fft.h"
#include "models/aigw/phenomt.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using Complex = std::complex<double>;
constexpr double kTwoPi = 6.28318530717958648;

std::vector<Complex> Noise(size_t n) {
  Random draw(Key({1}), "overlap test");
  std::vector<Complex> values(n);
  for (Complex& v : values) v = {draw.Normal(), draw.Normal()};
  return values;
}

TEST_CASE("fft: the sum that defines it, for every length up to 64") {
  for (size_t n = 1; n <= 64; n *= 2) {
    const std::vector<Complex> h = Noise(n);
    std::vector<Complex> fast = h;
    Fft(FftDirection::kForward, &fast);
    double worst = 0;
    for (size_t k = 0; k < n; ++k) {
      Complex sum = 0;
      for (size_t i = 0; i < n; ++i) {
        sum += h[i] *
               std::polar(1., -kTwoPi * static_cast<double>(k * i % n) / static_cast<double>(n));
      }
      worst = std::max(worst, std::abs(sum - fast[k]));
    }
    INFO(n);
    CHECK(worst < 1e-13);
    Fft(FftDirection::kInverse, &fast);
    for (size_t i = 0; i < n; ++i) {
      worst = std::max(worst, std::abs(fast[i] / static_cast<double>(n) - h[i]));
    }
    CHECK(worst < 1e-13);
  }
}

TEST_CASE("fft: one frequency of many is one bin, and power is kept") {
  const size_t n = 1 << 16, at = 12345;
  std::vector<Complex> h(n);
  for (size_t i = 0; i < n; ++i) {
    h[i] = std::polar(1., kTwoPi * static_cast<double>(at * i % n) / static_cast<double>(n));
  }
  Fft(FftDirection::kForward, &h);
  h[at] -= static_cast<double>(n);
  double worst = 0;
  for (const Complex& v : h) worst = std::max(worst, std::abs(v));
  WARN("largest error of 65,536 points: " << worst / static_cast<double>(n) << " of the peak");
  CHECK(worst < 1e-14 * static_cast<double>(n));
}

// h22 of one binary, `shift` samples of 0.5 M later, turned by `phase`.
std::vector<Complex> Series(double q, double shift, double phase) {
  const auto wave = PhenomT22::Make(q, .3, -.2);
  REQUIRE_THAT(wave.status(), tests::IsOk());
  std::vector<Complex> h(4096);
  for (size_t i = 0; i < h.size(); ++i) {
    const WaveSample w = wave->At(-1500 + .5 * (static_cast<double>(i) - shift));
    // Faded in, or a shifted series would differ by what is cut off at its beginning.
    const double rise = std::min(1., static_cast<double>(i) / 1000);
    const double fade = i < 100 ? 0 : .5 - .5 * std::cos(kTwoPi / 2 * (rise - .1) / .9);
    h[i] = std::polar((i < 1000 ? fade : 1) * w.amplitude, phase - w.phase);
  }
  return h;
}

TEST_CASE("overlap: a waveform with itself is 1, also shifted by part of a sample and turned") {
  const size_t n = 8192;
  const std::vector<double> white(n, 1);
  const Spectrum a = SpectrumOf(Series(2, 0, 0), n);
  CHECK(1 - MaximalOverlap(a, a, white).overlap < 1e-12);
  // Shifted exactly: the transform of h(t - s) is h~ times a phase.
  for (const double shift : {0., 3., -2.5, .37, 1000.25}) {
    Spectrum b = a;
    for (size_t k = 0; k < n; ++k) {
      const double f = static_cast<double>(k) - (k > n / 2 ? static_cast<double>(n) : 0);
      b[k] *= std::polar(3., .7 - kTwoPi * f * shift / static_cast<double>(n));
    }
    const Match m = MaximalOverlap(a, b, white);
    INFO(shift);
    CHECK(std::abs(1 - m.overlap) < 1e-11);
    CHECK(m.shift == Approx(shift).margin(1e-5));
    CHECK(m.phase == Approx(.7).margin(1e-5));
  }
}

TEST_CASE("overlap: falls with the distance of the parameters, and is symmetric") {
  const size_t n = 8192;
  const std::vector<double> white(n, 1);
  const auto spectrum = [&](double q) { return SpectrumOf(Series(q, 0, 0), n); };
  const Spectrum a = spectrum(2);
  const double near = MaximalOverlap(a, spectrum(2.01), white).overlap;
  const double far = MaximalOverlap(a, spectrum(4), white).overlap;
  CHECK(near > .999);
  CHECK(near < 1 - 1e-9);
  CHECK(far < near);
  CHECK(MaximalOverlap(spectrum(4), a, white).overlap == Approx(far).epsilon(1e-9));
  const double later = MaximalOverlap(a, SpectrumOf(Series(2, 40, 1), n), white).overlap;
  CHECK(later > .99);
}

TEST_CASE("overlap: no power inside the band is an overlap of 0, not a NaN") {
  const Spectrum a(64, 1.);
  CHECK(MaximalOverlap(a, a, std::vector<double>(64, 0)).overlap == 0);
}

TEST_CASE("overlap: weights are 1 / S inside the band and 0 outside, at negative frequencies too") {
  const std::vector<double> flat = FlatWeights(64, .01, {10, 20});  // bins of 100 / 64 Hz
  for (size_t k = 0; k < 64; ++k) {
    const double f = static_cast<double>(k) * 100 / 64;
    CHECK(flat[k] == (f >= 10 && f <= 20 && k <= 32 ? 1 : 0));
  }
  const std::vector<double> ligo = AdvancedLigoWeights(64, .01, {10, 20});
  CHECK(ligo[7] == 1 / AdvancedLigoNoise(700. / 64));
  CHECK(ligo[57] == 0);
}

// The closed form's values at these frequencies; the fit is within 5.1 % of it.
TEST_CASE("overlap: the noise of Advanced LIGO") {
  const double hertz[] = {10, 20, 30, 50, 100, 200, 215, 500, 1000, 2000};
  const double expected[] = {9.4667e-45, 4.2865e-46, 8.6758e-47, 2.4759e-47, 1.5233e-47,
                             1.3169e-47, 1.3089e-47, 1.5069e-47, 2.7315e-47, 7.8474e-47};
  for (size_t i = 0; i < std::size(hertz); ++i) {
    INFO(hertz[i]);
    CHECK(AdvancedLigoNoise(hertz[i]) == Approx(expected[i]).epsilon(.051));
  }
}

}  // namespace
}  // namespace stemma::models
