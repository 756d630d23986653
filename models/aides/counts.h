// Poisson and normal numbers of a pixel, each a function of (key, pixel) alone.
//
//   const PixelNoise noise(Key({seed, object, band}));
//   double n = noise.Poisson(pixel, 412.5);       // whole, mean and variance 412.5
//   double z = noise.Normal(pixel);               // mean 0, variance 1
//
// Bits: words of Philox4x32-10(counter {pixel low, pixel high, attempt, 0}, key's two halves).
// Poisson takes words 0 and 1 of attempt 0, 1, ... until one is accepted (transformed rejection,
// Hoermann 1993: 1.1 attempts on average); Normal takes words 2 and 3 of attempt 0. A word w is
// the number (w + 1/2) 2^-32. Logarithms and cosines are those of models/numeric.
//
// Plain value; any thread.
#pragma once

#include <array>
#include <cstdint>

namespace stemma::models {

class PixelNoise {
 public:
  explicit PixelNoise(uint64_t key);

  // REQUIRES: 10 <= mean < 1e12
  double Poisson(uint64_t pixel, double mean) const;
  double Normal(uint64_t pixel) const;
  // Poisson(pixel, mean) + deviation * Normal(pixel), for the price of one.
  double Electrons(uint64_t pixel, double mean, double deviation) const;

 private:
  std::array<uint32_t, 4> Words(uint64_t pixel, uint32_t attempt) const;
  double Poisson(uint64_t pixel, double mean, std::array<uint32_t, 4> words) const;
  std::array<uint32_t, 2> key_;
};

}  // namespace stemma::models
