#include "models/aigw/noise.h"

#include <algorithm>
#include <cmath>
#include <complex>

#include "core/random.h"
#include "models/aigw/fft.h"

namespace stemma::models {

namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kHertzMin = 10, kHertzMax = 2048;  // of the curve

size_t StretchOf(size_t samples) {
  size_t n = 2;
  while (n < 2 * samples) n *= 2;
  return n;
}

// The root of the mean square over time.
double SizeOf(const Spectrum& spectrum) {
  double squares = 0;
  for (const auto& bin : spectrum) squares += std::norm(bin);
  return std::sqrt(squares) / static_cast<double>(spectrum.size());
}

}  // namespace

DetectorNoise::DetectorNoise(size_t n, double dt_seconds) : dt_(dt_seconds), power_(n / 2 + 1) {
  for (size_t k = 0; k < power_.size(); ++k) {
    const double hertz = static_cast<double>(k) / (static_cast<double>(n) * dt_);
    power_[k] = AdvancedLigoNoise(std::clamp(hertz, kHertzMin, kHertzMax));
  }
}

Spectrum DetectorNoise::Draw(const NoiseKey& key) const {
  const size_t half = power_.size() - 1, n = 2 * half;
  Random draw(Key({key[0], key[1], key[2], key[3]}), "aigw noise");
  Spectrum noise(n, 0);
  // A bin of the transform is the bin of the noise over dt: the sum over time has no dt in it.
  const double df = 1 / (static_cast<double>(n) * dt_);
  for (size_t k = 1; k < half; ++k) {
    const double deviation = .5 * std::sqrt(power_[k] / df) / dt_;
    const double real = draw.Normal();
    noise[k] = deviation * std::complex<double>(real, draw.Normal());
    noise[n - k] = std::conj(noise[k]);
  }
  return noise;
}

void DetectorNoise::Whiten(Spectrum* spectrum) const {
  const size_t half = power_.size() - 1, n = 2 * half;
  for (size_t k = 0; k <= half; ++k) {
    const double factor = 1 / std::sqrt(power_[k] / (2 * dt_));
    (*spectrum)[k] *= factor;
    if (k > 0 && k < half) (*spectrum)[n - k] *= factor;
  }
}

NoisyWindow::NoisyWindow(const AigwSettings& settings)
    : n_(StretchOf(static_cast<size_t>(SamplesOf(settings)))),
      samples_(static_cast<size_t>(SamplesOf(settings))),
      snr_(settings.noise_snr),
      whiten_(settings.noise_whiten),
      noise_(n_, settings.dt * SecondsPerMass(settings.noise_mass)) {
  const auto before = static_cast<double>(n_ - samples_);
  grid_ = {settings.t_from - before * settings.dt, settings.dt};
}

// The wave, whitened, is the real part of one transform, and the noise its imaginary part: each of
// size 1 there, because S is some 1e-47, and rounding of the larger one would be the smaller one.
void NoisyWindow::Read(const PhenomT22& wave, const NoiseKey& key, float* x) const {
  std::vector<float> h(n_);
  wave.RealPart(grid_, static_cast<int64_t>(n_), h.data());
  const size_t before = n_ - samples_, fade = before / 2;
  Spectrum both(n_);
  for (size_t i = 0; i < n_; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(fade);
    both[i] = i < fade ? .5 * (1 - std::cos(kPi * share)) * h[i] : static_cast<double>(h[i]);
  }
  Fft(FftDirection::kForward, &both);
  noise_.Whiten(&both);
  Spectrum noise = noise_.Draw(key);
  if (whiten_) noise_.Whiten(&noise);
  const double wave_size = SizeOf(both), noise_size = SizeOf(noise);
  for (size_t k = 0; k < n_; ++k) {
    both[k] = both[k] / wave_size + std::complex<double>(0, 1 / noise_size) * noise[k];
  }
  Fft(FftDirection::kInverse, &both);
  double squares = 0;
  for (size_t i = before; i < n_; ++i) squares += both[i].real() * both[i].real();
  const double of_wave = snr_ / std::sqrt(squares);  // makes its ratio snr_
  const double of_noise = noise_size / static_cast<double>(n_);
  // The wave as it is has this ratio already, with noise of which this is the unit.
  const double unit = wave_size / static_cast<double>(n_) / of_wave;
  for (size_t i = 0; i < samples_; ++i) {
    const std::complex<double> at = both[before + i];
    const double noisy = whiten_ ? of_wave * at.real() + of_noise * at.imag()
                                 : h[before + i] + unit * of_noise * at.imag();
    x[i] = static_cast<float>(noisy);
  }
}

}  // namespace stemma::models
