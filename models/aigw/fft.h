// The discrete Fourier transform of power-of-two length, in place.
//
//   std::vector<std::complex<double>> h = ...;      // 2^k values, k >= 0
//   Fft(FftDirection::kForward, &h);                // h[k] = sum of h[i] e^(-2 pi i k i / n)
//   Fft(FftDirection::kInverse, &h);                // back, times n: nothing is divided
//
// Forty lines of our own: FFTW and GSL are GPL, Debian 12 packages no pocketfft, and LibTorch's
// transform would bring LibTorch into `stemma waveform`, which answers at once because it has none.
// Radix 2, decimation in time, twiddles from one table, so errors grow with log n: 1e-15 of the
// largest value at n = 2^17. 65,536 points take 2 ms; who needs more speed has LibTorch.
//
// Thread: any; the only state is the caller's vector.
#pragma once

#include <complex>
#include <vector>

namespace stemma::models {

// The product. The operator of std::complex looks for infinities on every call.
inline std::complex<double> Times(const std::complex<double>& a, const std::complex<double>& b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

enum class FftDirection { kForward, kInverse };

// REQUIRES: values->size() is a power of two.
void Fft(FftDirection direction, std::vector<std::complex<double>>* values);

}  // namespace stemma::models
