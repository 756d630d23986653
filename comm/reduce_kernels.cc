#include "comm/reduce_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "core/check.h"

// A sanitizer's build calls its run-time library from the function that picks the clone, before
// that library has started.
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__clang__)
#define STEMMA_CLONES __attribute__((target_clones("arch=skylake-avx512", "avx2", "default")))
#else
#define STEMMA_CLONES
#endif

namespace stemma::comm {
namespace {

constexpr int kBlock = 1024;  // elements at a time: the sums of a block stay in the first cache

template <typename To, typename From>
inline To BitCast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

// No branches: these are the bodies of loops that should become vector code.
inline float HalfToFloat(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t rest = uint32_t{half & 0x7fffu} << 13;
  // Shift the exponent by 112 through a multiplication, which also normalises subnormal numbers.
  const float scaled = BitCast<float>(rest) * BitCast<float>((127u + 112u) << 23);
  const uint32_t infinite = (half & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
  return BitCast<float>(sign | BitCast<uint32_t>(scaled) | infinite);
}

inline uint16_t FloatToHalf(float value) {
  const uint32_t bits = BitCast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const uint32_t size = bits & 0x7fffffffu;
  // Below 2^-14: adding 0.5 leaves the subnormal half's bits, rounded, at the end of the sum.
  const uint32_t small = BitCast<uint32_t>(BitCast<float>(size) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (size + 0xfffu + (size >> 13 & 1u) - (112u << 23)) >> 13;
  const uint32_t finite = size < (113u << 23) ? small : normal;
  const uint32_t bounded = size >= 0x477ff000u ? 0x7c00u : finite;  // 65520 and above round up
  return static_cast<uint16_t>(sign | (size > 0x7f800000u ? 0x7e00u : bounded));
}

inline float BfloatToFloat(uint16_t half) { return BitCast<float>(uint32_t{half} << 16); }

inline uint16_t FloatToBfloat(float value) {
  const uint32_t bits = BitCast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  const uint32_t nan = bits >> 16 | 0x40u;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

template <typename T>
inline T Same(T value) {
  return value;
}

template <typename T>
inline T Add(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(static_cast<U>(a) + static_cast<U>(b)));
  } else {
    return a + b;
  }
}

template <typename T>
inline T Multiply(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  } else {
    return a * b;
  }
}

// Whatever is NaN wins.
template <typename T>
inline T Min(T a, T b) {
  return (a < b || a != a) ? a : b;
}
template <typename T>
inline T Max(T a, T b) {
  return (a > b || a != a) ? a : b;
}

template <typename T>
inline T Scale(T value, double factor) {
  if constexpr (std::is_integral_v<T>) {
    const double scaled = std::nearbyint(static_cast<double>(value) * factor);
    // 2^63 is the first double that an int64 cannot hold; its maximum is none.
    if (scaled >= std::ldexp(1.0, std::numeric_limits<T>::digits)) {
      return std::numeric_limits<T>::max();
    }
    if (!(scaled > static_cast<double>(std::numeric_limits<T>::min()))) {
      return std::numeric_limits<T>::min();
    }
    return static_cast<T>(scaled);
  } else {
    return value * static_cast<T>(factor);
  }
}

// What is reduced, and into where.
struct Job {
  Op op = Op::kSum;
  const void* const* in = nullptr;
  int ins = 0;
  double factor = 1;
  void* const* out = nullptr;
  int outs = 0;
};

// The loops of one dtype. Macros and not templates: g++ makes clones only of plain functions.
#define STEMMA_LOOP(name, Acc, T, expression)             \
  STEMMA_CLONES void name(Acc* acc, const T* in, int n) { \
    for (int i = 0; i < n; ++i) acc[i] = expression;      \
  }
#define STEMMA_LOOPS(dtype, Acc, T, load, store)                                                 \
  STEMMA_LOOP(Load##dtype, Acc, T, load(in[i]))                                                  \
  STEMMA_LOOP(Add##dtype, Acc, T, Add<Acc>(acc[i], load(in[i])))                                 \
  STEMMA_LOOP(Min##dtype, Acc, T, Min<Acc>(acc[i], load(in[i])))                                 \
  STEMMA_LOOP(Max##dtype, Acc, T, Max<Acc>(acc[i], load(in[i])))                                 \
  STEMMA_LOOP(Multiply##dtype, Acc, T, Multiply<Acc>(acc[i], load(in[i])))                       \
  STEMMA_CLONES void Store##dtype(const Acc* acc, T* out, int n) {                               \
    for (int i = 0; i < n; ++i) out[i] = store(acc[i]);                                          \
  }                                                                                              \
  STEMMA_CLONES void Scale##dtype(Acc* acc, double factor, int n) {                              \
    for (int i = 0; i < n; ++i) acc[i] = Scale<Acc>(acc[i], factor);                             \
  }                                                                                              \
  void Reduce##dtype(const Job& job, int64_t count) {                                            \
    auto* step = job.op == Op::kMin       ? Min##dtype                                           \
                 : job.op == Op::kMax     ? Max##dtype                                           \
                 : job.op == Op::kProduct ? Multiply##dtype                                      \
                                          : Add##dtype;                                          \
    Acc acc[kBlock];                                                                             \
    for (int64_t at = 0; at < count; at += kBlock) {                                             \
      const int n = static_cast<int>(std::min<int64_t>(kBlock, count - at));                     \
      Load##dtype(acc, static_cast<const T*>(job.in[0]) + at, n);                                \
      for (int r = 1; r < job.ins; ++r) step(acc, static_cast<const T*>(job.in[r]) + at, n);     \
      if (job.factor != 1) Scale##dtype(acc, job.factor, n);                                     \
      for (int r = 0; r < job.outs; ++r) Store##dtype(acc, static_cast<T*>(job.out[r]) + at, n); \
    }                                                                                            \
  }

STEMMA_LOOPS(U8, uint8_t, uint8_t, Same, Same)
STEMMA_LOOPS(I8, int8_t, int8_t, Same, Same)
STEMMA_LOOPS(I32, int32_t, int32_t, Same, Same)
STEMMA_LOOPS(I64, int64_t, int64_t, Same, Same)
STEMMA_LOOPS(F16, float, uint16_t, HalfToFloat, FloatToHalf)
STEMMA_LOOPS(BF16, float, uint16_t, BfloatToFloat, FloatToBfloat)
STEMMA_LOOPS(F32, float, float, Same, Same)
STEMMA_LOOPS(F64, double, double, Same, Same)

// Sums of 2, 3 and 4 ranks into as many places. The places may be the inputs: an
// element is read from all of them before it is written, so iterations do not depend on each other.
#define STEMMA_SUM(name, Acc, T, load, store, sum, write)                        \
  STEMMA_CLONES void name(const T* const* in, T* const* out, int64_t n, Acc f) { \
    const T *a = in[0], *b = in[1], *c = in[2], *d = in[3];                      \
    T *u = out[0], *v = out[1], *w = out[2], *x = out[3];                        \
    (void)c, (void)d, (void)v, (void)w, (void)x;                                 \
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) {                       \
      const T s = store((sum)*f);                                                \
      write;                                                                     \
    }                                                                            \
  }
#define STEMMA_SUMS(dtype, Acc, T, load, store)                                                   \
  STEMMA_SUM(Sum2##dtype, Acc, T, load, store, load(a[i]) + load(b[i]), (u[i] = s, v[i] = s))     \
  STEMMA_SUM(Sum3##dtype, Acc, T, load, store, load(a[i]) + load(b[i]) + load(c[i]),              \
             (u[i] = s, v[i] = s, w[i] = s))                                                      \
  STEMMA_SUM(Sum4##dtype, Acc, T, load, store, load(a[i]) + load(b[i]) + load(c[i]) + load(d[i]), \
             (u[i] = s, v[i] = s, w[i] = s, x[i] = s))                                            \
  bool Sum##dtype(const Job& job, int64_t count) {                                                \
    if (job.ins != job.outs || job.ins < 2 || job.ins > 4) return false;                          \
    const T* in[4] = {};                                                                          \
    T* out[4] = {};                                                                               \
    for (int r = 0; r < job.ins; ++r) {                                                           \
      in[r] = static_cast<const T*>(job.in[r]);                                                   \
      out[r] = static_cast<T*>(job.out[r]);                                                       \
    }                                                                                             \
    auto* loop = job.ins == 2 ? Sum2##dtype : job.ins == 3 ? Sum3##dtype : Sum4##dtype;           \
    loop(in, out, count, static_cast<Acc>(job.factor));                                           \
    return true;                                                                                  \
  }

STEMMA_SUMS(F16, float, uint16_t, HalfToFloat, FloatToHalf)
STEMMA_SUMS(BF16, float, uint16_t, BfloatToFloat, FloatToBfloat)
STEMMA_SUMS(F32, float, float, Same, Same)
STEMMA_SUMS(F64, double, double, Same, Same)

bool SumInOneLoop(const Job& job, DType dtype, int64_t count) {
  switch (dtype) {
    case DType::kF16:
      return SumF16(job, count);
    case DType::kBF16:
      return SumBF16(job, count);
    case DType::kF32:
      return SumF32(job, count);
    case DType::kF64:
      return SumF64(job, count);
    default:
      return false;
  }
}

void ReduceInBlocks(const Job& job, DType dtype, int64_t count) {
  switch (dtype) {
    case DType::kU8:
      return ReduceU8(job, count);
    case DType::kI8:
      return ReduceI8(job, count);
    case DType::kI32:
      return ReduceI32(job, count);
    case DType::kI64:
      return ReduceI64(job, count);
    case DType::kF16:
      return ReduceF16(job, count);
    case DType::kBF16:
      return ReduceBF16(job, count);
    case DType::kF32:
      return ReduceF32(job, count);
    case DType::kF64:
      return ReduceF64(job, count);
    case DType::kBool:
    case DType::kI16:
      break;
  }
  STEMMA_CHECK(false, "dtype " + std::string(NameOf(dtype)));
}

}  // namespace

void ReduceInto(Op op, DType dtype, const void* const* in, int ins, int64_t count, double factor,
                void* const* out, int outs) {
  const Job job{op, in, ins, factor, out, outs};
  const bool sum = op == Op::kSum || op == Op::kAverage;
  if (sum && SumInOneLoop(job, dtype, count)) return;
  ReduceInBlocks(job, dtype, count);
}

void Reduce(Op op, DType dtype, const std::vector<const void*>& in, int64_t count, double factor,
            void* out) {
  ReduceInto(op, dtype, in.data(), static_cast<int>(in.size()), count, factor, &out, 1);
}

float FloatFromHalf(uint16_t bits) { return HalfToFloat(bits); }
uint16_t HalfFromFloat(float value) { return FloatToHalf(value); }
float FloatFromBfloat(uint16_t bits) { return BfloatToFloat(bits); }
uint16_t BfloatFromFloat(float value) { return FloatToBfloat(value); }

}  // namespace stemma::comm
