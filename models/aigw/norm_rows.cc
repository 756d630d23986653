#include "models/aigw/norm_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

// The loops are compiled for several instruction sets, and the machine's best one is chosen when
// the program starts. All of them give the same bits: lanes are written out, and contraction to
// fused multiply-adds is off (tools/bazel/build.bazelrc). A sanitizer's build calls its run-time
// library from the function that chooses, before that library has started.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define STEMMA_CLONES __attribute__((target_clones("arch=skylake-avx512", "avx2", "default")))
#else
#define STEMMA_CLONES
#endif

namespace stemma::models {

namespace {

constexpr int64_t kLanes = 16, kBlock = 32 * kLanes;

// e^x within 2e-7, for |x| below 87; beyond it the value there. Cody and Waite's reduction, then
// the series to the sixth power on |r| <= ln 2 / 2. Not a number stays what it is: the lower bits
// of the ones that arithmetic makes are 0.
inline float Exponential(float x) {
  x = x < -87.f ? -87.f : x;
  x = x > 87.f ? 87.f : x;
  constexpr float kRound = 12582912.f;  // 1.5 * 2^23: adding it rounds to a whole number
  const float shifted = x * 1.44269504f + kRound;
  const float whole = shifted - kRound;
  const float r = (x - whole * .693359375f) + whole * 2.12194440e-4f;
  float sum = 1.f / 720;
  sum = sum * r + 1.f / 120;
  sum = sum * r + 1.f / 24;
  sum = sum * r + 1.f / 6;
  sum = sum * r + .5f;
  sum = sum * r + 1.f;
  sum = sum * r + 1.f;
  int32_t bits = 0, power = 0;
  std::memcpy(&bits, &sum, sizeof bits);
  std::memcpy(&power, &shifted, sizeof power);
  bits += static_cast<int32_t>(static_cast<uint32_t>(power) << 23);
  std::memcpy(&sum, &bits, sizeof sum);
  return sum;
}

template <Activation kActivation>
inline float Activated(float z) {
  if constexpr (kActivation == Activation::kRelu) return z < 0 ? 0 : z;  // not a number stays
  if constexpr (kActivation == Activation::kTanh) return 1 - 2 / (Exponential(2 * z) + 1);
  if constexpr (kActivation == Activation::kLogistic) return 1 / (1 + Exponential(-z));
  return z;
}

// The derivative by what the activation was given, from what it gave.
template <Activation kActivation>
inline float Slope(float y) {
  if constexpr (kActivation == Activation::kRelu) return y > 0 ? 1.f : 0.f;
  if constexpr (kActivation == Activation::kTanh) return 1 - y * y;
  if constexpr (kActivation == Activation::kLogistic) return y * (1 - y);
  return 1;
}

inline double LaneSum(const float* lanes) {
  double sum = 0;
  for (int64_t j = 0; j < kLanes; ++j) sum += lanes[j];
  return sum;
}

STEMMA_CLONES double Sum(const float* x, int64_t n) {
  double sum = 0;
  int64_t i = 0;
  while (i + kLanes <= n) {
    float lanes[kLanes] = {};
    const int64_t stop = std::min(i + kBlock, n - n % kLanes);
    for (; i < stop; i += kLanes) {
      for (int64_t j = 0; j < kLanes; ++j) lanes[j] += x[i + j];
    }
    sum += LaneSum(lanes);
  }
  for (; i < n; ++i) sum += x[i];
  return sum;
}

STEMMA_CLONES double SumOfSquares(const float* x, int64_t n, float mean) {
  double sum = 0;
  int64_t i = 0;
  while (i + kLanes <= n) {
    float lanes[kLanes] = {};
    const int64_t stop = std::min(i + kBlock, n - n % kLanes);
    for (; i < stop; i += kLanes) {
      for (int64_t j = 0; j < kLanes; ++j) {
        const float d = x[i + j] - mean;
        lanes[j] += d * d;
      }
    }
    sum += LaneSum(lanes);
  }
  for (; i < n; ++i) sum += static_cast<double>(x[i] - mean) * (x[i] - mean);
  return sum;
}

// The two of NormRow's row and of its way back, for one activation each: a clone cannot be a
// template.
#define STEMMA_ROWS(NAME, ACTIVATION)                                                              \
  STEMMA_CLONES void Apply##NAME(const float* x, int64_t n, float mean, float factor, float shift, \
                                 float* y) {                                                       \
    for (int64_t i = 0; i < n; ++i) y[i] = Activated<ACTIVATION>((x[i] - mean) * factor + shift);  \
  }                                                                                                \
  STEMMA_CLONES void Through##NAME(const float* y, const float* dy, int64_t n, float* dz) {        \
    for (int64_t i = 0; i < n; ++i) dz[i] = dy[i] * Slope<ACTIVATION>(y[i]);                       \
  }
STEMMA_ROWS(None, Activation::kNone)
STEMMA_ROWS(Relu, Activation::kRelu)
STEMMA_ROWS(Tanh, Activation::kTanh)
STEMMA_ROWS(Logistic, Activation::kLogistic)
#undef STEMMA_ROWS

// sum of dz (x - mean)
STEMMA_CLONES double SumOfProducts(const float* dz, const float* x, int64_t n, float mean) {
  double sum = 0;
  int64_t i = 0;
  while (i + kLanes <= n) {
    float lanes[kLanes] = {};
    const int64_t stop = std::min(i + kBlock, n - n % kLanes);
    for (; i < stop; i += kLanes) {
      for (int64_t j = 0; j < kLanes; ++j) lanes[j] += dz[i + j] * (x[i + j] - mean);
    }
    sum += LaneSum(lanes);
  }
  for (; i < n; ++i) sum += static_cast<double>(dz[i]) * (x[i] - mean);
  return sum;
}

// dx = factor (dz - a - b (x - mean)), in place of dz
STEMMA_CLONES void Finish(const float* x, int64_t n, float mean, float factor, float a, float b,
                          float* dz) {
  for (int64_t i = 0; i < n; ++i) dz[i] = factor * (dz[i] - a - b * (x[i] - mean));
}

}  // namespace

RowMoments NormRow(const float* x, int64_t n, RowScale by, double epsilon, Activation activation,
                   float* y) {
  RowMoments m;
  const auto count = static_cast<double>(n);
  m.mean = static_cast<float>(Sum(x, n) / count);
  m.variance = SumOfSquares(x, n, m.mean) / count;
  m.inverse = static_cast<float>(1 / std::sqrt(m.variance + epsilon));
  const float factor = by.scale * m.inverse;
  switch (activation) {
    case Activation::kNone:
      ApplyNone(x, n, m.mean, factor, by.shift, y);
      break;
    case Activation::kRelu:
      ApplyRelu(x, n, m.mean, factor, by.shift, y);
      break;
    case Activation::kTanh:
      ApplyTanh(x, n, m.mean, factor, by.shift, y);
      break;
    case Activation::kLogistic:
      ApplyLogistic(x, n, m.mean, factor, by.shift, y);
      break;
  }
  return m;
}

RowScale NormRowBackward(const float* x, const float* y, const float* dy, int64_t n,
                         const RowMoments& moments, float scale, Activation activation, float* dx) {
  switch (activation) {
    case Activation::kNone:
      ThroughNone(y, dy, n, dx);
      break;
    case Activation::kRelu:
      ThroughRelu(y, dy, n, dx);
      break;
    case Activation::kTanh:
      ThroughTanh(y, dy, n, dx);
      break;
    case Activation::kLogistic:
      ThroughLogistic(y, dy, n, dx);
      break;
  }
  const double shift = Sum(dx, n), products = SumOfProducts(dx, x, n, moments.mean);
  const double inverse = moments.inverse, count = static_cast<double>(n);
  Finish(x, n, moments.mean, scale * moments.inverse, static_cast<float>(shift / count),
         static_cast<float>(products * inverse * inverse / count), dx);
  return {static_cast<float>(products * inverse), static_cast<float>(shift)};
}

}  // namespace stemma::models
