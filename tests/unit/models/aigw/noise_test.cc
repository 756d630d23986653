#include "models/aigw/noise.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "models/aigw/dataset.h"
#include "models/aigw/fft.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using tests::HasCode;
using tests::IsOk;

// 0.25 s at 4096 Hz: bins of 4 Hz.
constexpr size_t kBins = 1024;
constexpr double kDt = 1. / 4096;

TEST_CASE("aigw noise: the mean power of many draws is the curve's, S / (2 df), bin by bin") {
  constexpr int kDraws = 2000;
  const DetectorNoise noise(kBins, kDt);
  std::vector<double> power(kBins / 2 + 1);
  for (uint64_t i = 0; i < kDraws; ++i) {
    const Spectrum draw = noise.Draw({1, 0, i, 0});
    CHECK(draw[0] == 0.);
    CHECK(draw[kBins / 2] == 0.);
    CHECK(draw[kBins - 9] == std::conj(draw[9]));
    for (size_t k = 0; k < power.size(); ++k) power[k] += std::norm(draw[k]) * kDt * kDt / kDraws;
  }
  const double df = 1 / (kBins * kDt);
  double worst = 0, sum = 0;
  for (size_t k = 1; k < kBins / 2; ++k) {
    const double ratio = power[k] / (noise.Power(k) / (2 * df));
    worst = std::max(worst, std::abs(ratio - 1));
    sum += ratio / (kBins / 2 - 1);
  }
  CHECK(worst < .12);  // 511 bins, each of deviation 1/sqrt(2000) = 0.022
  CHECK(sum == Approx(1).margin(.005));
  CHECK(noise.Power(25) == Approx(AdvancedLigoNoise(100)));
  CHECK(noise.Power(1) == Approx(AdvancedLigoNoise(10)));  // the curve ends there
}

TEST_CASE("aigw noise: whitened it has variance 1 and a flat spectrum") {
  constexpr int kDraws = 400, kParts = 16;
  const DetectorNoise noise(kBins, kDt);
  double squares = 0, imaginary = 0;
  std::vector<double> parts(kParts);
  for (uint64_t i = 0; i < kDraws; ++i) {
    Spectrum draw = noise.Draw({2, 0, i, 0});
    noise.Whiten(&draw);
    for (size_t k = 1; k < kBins / 2; ++k) parts[k * kParts / (kBins / 2)] += std::norm(draw[k]);
    Fft(FftDirection::kInverse, &draw);
    for (const auto& at : draw) {
      imaginary = std::max(imaginary, std::abs(at.imag()));
      squares += std::norm(at / static_cast<double>(kBins));
    }
  }
  CHECK(imaginary < 1e-9 * kBins);
  CHECK(squares / (kDraws * (kBins - 2)) == Approx(1).margin(.02));
  for (int part = 0; part < kParts; ++part) {
    const double bins = kBins / 2. / kParts - (part == 0);
    CHECK(parts[part] / (kDraws * bins * kBins) == Approx(1).margin(.05));
  }
}

AigwSettings Noisy() {
  AigwSettings settings;
  settings.t_from = -870;
  settings.dt = 2;
  settings.last = 500;
  settings.noise = "ligo";
  settings.train_size = settings.validation_size = 1000;
  return settings;
}

std::vector<float> ReadOne(const AigwSettings& settings, int64_t id, const Cursor& key,
                           AigwSplit split = AigwSplit::kTrain) {
  const auto data = AigwDataset::Make(settings, split);
  REQUIRE_THAT(data.status(), IsOk());
  std::vector<float> x(500), y(5);
  REQUIRE_THAT((*data)->Read(id, key, x.data(), y.data()), IsOk());
  return x;
}

TEST_CASE("aigw noise: the same key gives the same noise, another seed, epoch or place another") {
  const auto base = ReadOne(Noisy(), 3, {1, 2, 3});
  CHECK(ReadOne(Noisy(), 3, {1, 2, 3}) == base);
  CHECK(ReadOne(Noisy(), 3, {2, 2, 3}) != base);
  CHECK(ReadOne(Noisy(), 3, {1, 3, 3}) != base);
  CHECK(ReadOne(Noisy(), 3, {1, 2, 4}) != base);
  AigwSettings quiet = Noisy();
  quiet.noise = "none";
  CHECK(ReadOne(quiet, 3, {1, 2, 3}) == ReadOne(quiet, 3, {2, 3, 4}));
  CHECK((*AigwDataset::Make(quiet, AigwSplit::kTrain))->Digest() !=
        (*AigwDataset::Make(Noisy(), AigwSplit::kTrain))->Digest());
}

// With w the wave whitened and scaled, sum of w^2 = snr^2, and x = w + white noise: the sum of
// x w is normal with mean snr^2 and deviation snr, whoever w is. w is what two draws have in
// common.
TEST_CASE("aigw noise: what a matched filter finds is the asked signal-to-noise ratio") {
  AigwSettings loud = Noisy();
  loud.noise_snr = 1e6;
  const auto w = ReadOne(loud, 5, {9, 0, 0});  // noise is 1e-6 of it
  for (const double snr : {8., 30.}) {
    AigwSettings settings = Noisy();
    settings.noise_snr = snr;
    double sum = 0, squares = 0;
    constexpr int kDraws = 300;
    for (uint64_t i = 0; i < kDraws; ++i) {
      const auto x = ReadOne(settings, 5, {1, 0, i});
      double found = 0;
      for (size_t t = 0; t < x.size(); ++t) found += x[t] * w[t] / 1e6;  // by the unit vector of w
      sum += found;
      squares += found * found;
    }
    const double mean = sum / kDraws;
    CHECK(mean == Approx(snr).margin(.25));  // 4 standard errors
    CHECK(std::sqrt(squares / kDraws - mean * mean) == Approx(1).margin(.2));
  }
}

TEST_CASE("aigw noise: not whitened, the wave keeps its amplitude") {
  AigwSettings settings = Noisy(), quiet = Noisy();
  settings.noise_whiten = false;
  settings.noise_snr = 1e6;
  quiet.noise = "none";
  const auto wave = ReadOne(quiet, 7, {}), near = ReadOne(settings, 7, {1, 0, 0});
  settings.noise_snr = 20;
  const auto far = ReadOne(settings, 7, {1, 0, 0});
  double worst = 0, ratio = 0;
  for (size_t i = 0; i < wave.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(near[i]) - wave[i]));
    ratio += std::abs(static_cast<double>(far[i]) - wave[i]);
  }
  CHECK(worst < 1e-2);
  CHECK(ratio > 0);
  settings.noise = "virgo";
  CHECK_THAT(Check(settings), HasCode(Code::kInvalidArgument, "none or ligo"));
  settings = Noisy();
  settings.noise_mass = 5;
  CHECK_THAT(Check(settings), HasCode(Code::kInvalidArgument, "10 to 300"));
}

}  // namespace
}  // namespace stemma::models
