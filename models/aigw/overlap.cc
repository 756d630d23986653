#include "models/aigw/overlap.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "core/check.h"
#include "models/aigw/fft.h"

namespace stemma::models {

namespace {

constexpr double kTwoPi = 6.283185307179586;

template <typename Weight>
std::vector<double> Weights(size_t n, double dt, const Band& band, Weight weight) {
  std::vector<double> weights(n, 0);
  for (size_t k = 0; k <= n / 2 && k < n; ++k) {
    const double f = static_cast<double>(k) / (static_cast<double>(n) * dt);
    if (f >= band.low && f <= band.high) weights[k] = weight(f);
  }
  return weights;
}

double Power(const Spectrum& a, const std::vector<double>& weights) {
  double sum = 0;
  for (size_t k = 0; k < a.size(); ++k) sum += weights[k] * std::norm(a[k]);
  return sum;
}

// <a|b> as a function of the time shift, term by term.
class Correlation {
 public:
  Correlation(const Spectrum& a, const Spectrum& b, const std::vector<double>& weights)
      : products_(a.size()) {
    for (size_t k = 0; k < a.size(); ++k) products_[k] = weights[k] * std::conj(a[k]) * b[k];
    while (end_ < a.size() && weights[end_] == 0) ++end_;
    begin_ = end_;
    for (size_t k = begin_; k < a.size(); ++k) {
      if (weights[k] != 0) end_ = k + 1;
    }
  }

  // The sample of the largest modulus.
  double Coarse() const {
    Spectrum values = products_;
    Fft(FftDirection::kInverse, &values);
    size_t best = 0;
    for (size_t i = 1; i < values.size(); ++i) {
      if (std::norm(values[i]) > std::norm(values[best])) best = i;
    }
    const auto n = static_cast<double>(values.size()), at = static_cast<double>(best);
    return at > n / 2 ? at - n : at;
  }

  std::complex<double> At(double shift) const {
    const size_t n = products_.size(), half = n / 2 + 1;
    return Sum(shift, begin_, std::min(half, end_), 0) +
           Sum(shift, std::max(half, begin_), end_, n);
  }

  // The largest modulus within a sample of `coarse`, where it has one maximum: golden section. The
  // modulus is flat there: 1e-6 of a sample is worth less than 1e-12 of it.
  double Fine(double coarse) const {
    constexpr double kGolden = 0.6180339887498949;
    double low = coarse - 1, high = coarse + 1;
    double left = high - kGolden * (high - low), right = low + kGolden * (high - low);
    double at_left = std::norm(At(left)), at_right = std::norm(At(right));
    while (high - low > 1e-6) {
      if (at_left > at_right) {
        high = right;
        right = left;
        at_right = at_left;
        left = high - kGolden * (high - low);
        at_left = std::norm(At(left));
      } else {
        low = left;
        left = right;
        at_left = at_right;
        right = low + kGolden * (high - low);
        at_right = std::norm(At(right));
      }
    }
    return (low + high) / 2;
  }

 private:
  // The terms [begin, end), whose frequencies are k - wrap. Within a chunk a term's rotation is the
  // one before it times a constant; each chunk begins afresh, so rounding errors stay.
  std::complex<double> Sum(double shift, size_t begin, size_t end, size_t wrap) const {
    constexpr size_t kChunk = 64;
    const auto n = static_cast<double>(products_.size());
    const auto rotation = [&](double f) {
      const double angle = kTwoPi * std::remainder(f * shift, n) / n;
      return std::complex<double>(std::cos(angle), std::sin(angle));
    };
    const std::complex<double> step = rotation(1);
    std::complex<double> sum = 0;
    for (size_t k = begin; k < end;) {
      const size_t stop = std::min(k + kChunk, end);
      std::complex<double> w = rotation(static_cast<double>(k) - static_cast<double>(wrap));
      for (; k < stop; ++k) {
        sum += Times(products_[k], w);
        w = Times(w, step);
      }
    }
    return sum;
  }

  Spectrum products_;
  size_t begin_ = 0, end_ = 0;  // where the weights are not 0
};

}  // namespace

double SecondsPerMass(double solar_masses) { return 4.925490947641267e-6 * solar_masses; }

double AdvancedLigoNoise(double hertz) {
  constexpr double kFit[] = {-107.824402176,  -.250577151753,   .377197935018,
                             -.459878239025,  .171709422363,    .069053374881,
                             -.0309298603746, -.00341217045428, .00164637837648};
  const double u = std::log(hertz / 100);
  double sum = 0;
  for (size_t n = std::size(kFit); n-- > 0;) sum = sum * u + kFit[n];
  return std::exp(sum);
}

std::vector<double> FlatWeights(size_t n, double dt, const Band& band) {
  return Weights(n, dt, band, [](double) { return 1.; });
}

std::vector<double> AdvancedLigoWeights(size_t n, double dt_seconds, const Band& band_hertz) {
  return Weights(n, dt_seconds, band_hertz, [](double f) { return 1 / AdvancedLigoNoise(f); });
}

Spectrum SpectrumOf(const std::vector<std::complex<double>>& series, size_t n) {
  STEMMA_CHECK(series.size() <= n, "the transform is shorter than the series");
  Spectrum spectrum(series);
  spectrum.resize(n);
  Fft(FftDirection::kForward, &spectrum);
  return spectrum;
}

Match MaximalOverlap(const Spectrum& a, const Spectrum& b, const std::vector<double>& weights) {
  STEMMA_CHECK(a.size() == b.size() && a.size() == weights.size(), "spectra of other lengths");
  const double norm = std::sqrt(Power(a, weights)) * std::sqrt(Power(b, weights));
  if (!(norm > 0)) return {0, 0, 0};
  const Correlation correlation(a, b, weights);
  const double shift = correlation.Fine(correlation.Coarse());
  const std::complex<double> best = correlation.At(shift);
  return {std::abs(best) / norm, shift, std::arg(best)};
}

}  // namespace stemma::models
