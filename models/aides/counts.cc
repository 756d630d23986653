#include "models/aides/counts.h"

#include <cmath>

#include "core/random.h"
#include "models/aides/sersic.h"
#include "models/numeric/elementary.h"

namespace stemma::models {

namespace {

using internal::CosTurns;
using internal::Log;

double Unit(uint32_t word) { return (word + .5) * 0x1p-32; }

double NormalOf(const std::array<uint32_t, 4>& words) {
  return std::sqrt(-2 * Log(Unit(words[2]))) * CosTurns(Unit(words[3]));
}

}  // namespace

PixelNoise::PixelNoise(uint64_t key)
    : key_{static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)} {}

std::array<uint32_t, 4> PixelNoise::Words(uint64_t pixel, uint32_t attempt) const {
  return Philox4x32({static_cast<uint32_t>(pixel), static_cast<uint32_t>(pixel >> 32), attempt, 0},
                    key_);
}

double PixelNoise::Poisson(uint64_t pixel, double mean, std::array<uint32_t, 4> words) const {
  const double b = .931 + 2.53 * std::sqrt(mean), a = -.059 + .02483 * b;
  const double quick = .9277 - 3.6224 / (b - 2);
  for (uint32_t attempt = 1;; ++attempt) {
    const double u = Unit(words[0]) - .5, v = Unit(words[1]), inner = .5 - std::abs(u);
    const double k = std::floor((2 * a / inner + b) * u + mean + .43);
    if (inner >= .07 && v <= quick) return k;
    if (k >= 0 && (inner >= .013 || v <= inner)) {
      const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
      const double height = Log(v * inverse_alpha / (a / (inner * inner) + b));
      if (height <= k * Log(mean) - mean - LogGamma(k + 1)) return k;
    }
    words = Words(pixel, attempt);
  }
}

double PixelNoise::Poisson(uint64_t pixel, double mean) const {
  return Poisson(pixel, mean, Words(pixel, 0));
}

double PixelNoise::Normal(uint64_t pixel) const { return NormalOf(Words(pixel, 0)); }

double PixelNoise::Electrons(uint64_t pixel, double mean, double deviation) const {
  const std::array<uint32_t, 4> words = Words(pixel, 0);
  return Poisson(pixel, mean, words) + deviation * NormalOf(words);
}

}  // namespace stemma::models
