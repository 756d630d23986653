// A wave in the noise of a detector: Advanced LIGO's noise (overlap.h), drawn anew for each sample
// and each epoch, for a binary of a given total mass and a given signal-to-noise ratio.
//
//   const NoisyWindow window(settings);                  // aigw.noise = "ligo"
//   window.Read(wave, {seed, epoch, position, split}, x);         // SamplesOf(settings) floats
//
// Noise of one-sided power S: real and imaginary part of each positive frequency's bin are normal
// with the deviation sqrt(S / df) / 2, nothing at 0 and at the highest frequency. Whitening divides
// by sqrt(S / (2 dt)), which makes white noise of variance 1 of it. Below 10 and above 2048 Hz,
// where the curve means nothing, S is what it is there.
//
//   aigw.noise_whiten   x = whitened (wave, scaled, + noise): what searches look at
//   else                x = wave + noise, scaled: the wave keeps its amplitude
//
// The scale makes the optimal signal-to-noise ratio in the window, the root of the sum of squares
// of the whitened wave, equal aigw.noise_snr. All is done on a stretch of at least twice the
// window, which ends where it ends; the wave is faded in over the first half of what is before it,
// so that a transform's ends meet at nothing and the window sees no edge.
//
// Drawn values go through the C library's functions and are the same on machines that have the same
// one; the noise-free data set is the same everywhere.
//
// Const, so any thread. No LibTorch.
#pragma once

#include <array>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "models/aigw/overlap.h"
#include "models/aigw/phenomt.h"
#include "models/aigw/settings.h"

namespace stemma::models {

using NoiseKey = std::array<uint64_t, 4>;  // seed, epoch, position, split

// Noise of `n` samples, a power of two, `dt` seconds apart, as the transform of its time series.
class DetectorNoise {
 public:
  DetectorNoise(size_t n, double dt_seconds);

  Spectrum Draw(const NoiseKey& key) const;
  void Whiten(Spectrum* spectrum) const;
  double Power(size_t bin) const { return power_[bin]; }  // S; bins up to n / 2

 private:
  double dt_;
  std::vector<double> power_;
};

class NoisyWindow {
 public:
  // REQUIRES: Check(settings) is OK
  explicit NoisyWindow(const AigwSettings& settings);

  void Read(const PhenomT22& wave, const NoiseKey& key, float* x) const;

 private:
  TimeGrid grid_;       // of the stretch
  size_t n_, samples_;  // of the stretch, a power of two; of the window
  double snr_;
  bool whiten_;
  DetectorNoise noise_;
};

}  // namespace stemma::models
