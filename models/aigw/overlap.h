// How alike two waveforms are: the metric of AI-GW.
//
//   overlap = max over time shift and phase of |<a|b>| / sqrt(<a|a> <b|b>)
//   <a|b>   = sum over frequencies of conj(a~) b~ / S, S the detector's noise power
//
//   Spectrum a = SpectrumOf(h1, n), b = SpectrumOf(h2, n);    // n a power of two, >= twice the
//   data Match m = MaximalOverlap(a, b, FlatWeights(n, dt, {20, 1000})); double mismatch = 1 -
//   m.overlap;
//
// A spectrum has the layout of the transform: bin k stands for the frequency k / (n dt), the upper
// half for negative frequencies, so complex time series (r h22 / M) keep their sign of rotation.
// The phase is maximised by taking the modulus. The time shift is maximised over all n samples by
// one inverse transform, then between samples by a golden-section search on the exact sum: staying
// on the samples costs up to 1e-5 at 0.1 M, more than the errors worth seeing.
//
// Source of the noise curve: Advanced LIGO, zero-detuned high power (LIGO-T0900288). The polynomial
// in ln f is our own fit to the closed form, within 5.1 % over 10 to 2048 Hz.
//
// Pure functions; any thread.
#pragma once

#include <complex>
#include <cstddef>
#include <vector>

namespace stemma::models {

using Spectrum = std::vector<std::complex<double>>;

// Seconds that the time unit M of a waveform lasts for a binary of this many solar masses.
double SecondsPerMass(double solar_masses);

// One-sided noise power in 1/Hz. REQUIRES: 10 <= hertz <= 2048; beyond it the fit means nothing.
double AdvancedLigoNoise(double hertz);

// Frequencies in the units of 1 / dt, both ends belong to it.
struct Band {
  double low, high;
};

// 1 / S of n bins: inside the band 1, or AdvancedLigoNoise's inverse; outside and at negative
// frequencies 0. `dt` in seconds for the detector, in any unit that the band shares for the other.
// White noise without a band, the paper's metric, is std::vector<double>(n, 1).
std::vector<double> FlatWeights(size_t n, double dt, const Band& band);
std::vector<double> AdvancedLigoWeights(size_t n, double dt_seconds, const Band& band_hertz);

// The transform of a series with zeros behind it. REQUIRES: n is a power of two and not less than
// the series; twice as many, so that a shifted series does not meet its own end.
Spectrum SpectrumOf(const std::vector<std::complex<double>>& series, size_t n);

struct Match {
  double overlap;  // 0 to 1
  double shift;    // samples by which b lags a, -n/2 to n/2
  double phase;    // b = e^(i phase) a, after the shift
};

// REQUIRES: the same power of two for the sizes of all three; no weight is negative. The overlap of
// spectra without power inside the weights is 0.
Match MaximalOverlap(const Spectrum& a, const Spectrum& b, const std::vector<double>& weights);

}  // namespace stemma::models
