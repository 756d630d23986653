#include "models/aigw/fft.h"

#include <cmath>
#include <cstddef>
#include <utility>

#include "core/check.h"

namespace stemma::models {

namespace {

// Swaps every value with the one whose index has the same bits in the opposite order.
void ReverseBits(std::vector<std::complex<double>>* values) {
  for (size_t i = 1, j = 0; i < values->size(); ++i) {
    size_t bit = values->size() >> 1;
    for (; (j & bit) != 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap((*values)[i], (*values)[j]);
  }
}

}  // namespace

void Fft(FftDirection direction, std::vector<std::complex<double>>* values) {
  const size_t n = values->size();
  STEMMA_CHECK(n != 0 && (n & (n - 1)) == 0, "the length of a transform is a power of two");
  const double turn = (direction == FftDirection::kForward ? -2 : 2) * 3.14159265358979323846 /
                      static_cast<double>(n);
  std::vector<std::complex<double>> twiddles(n / 2);
  for (size_t k = 0; k < n / 2; ++k) {
    const double angle = turn * static_cast<double>(k);
    twiddles[k] = {std::cos(angle), std::sin(angle)};
  }
  ReverseBits(values);
  std::complex<double>* const v = values->data();
  for (size_t half = 1; half < n; half *= 2) {
    const size_t stride = n / (2 * half);
    for (size_t begin = 0; begin < n; begin += 2 * half) {
      for (size_t k = 0; k < half; ++k) {
        const std::complex<double> a = v[begin + k];
        const std::complex<double> c = Times(v[begin + half + k], twiddles[k * stride]);
        v[begin + k] = a + c;
        v[begin + half + k] = a - c;
      }
    }
  }
}

}  // namespace stemma::models
