#include "optim/kernels.h"

#include "optim/arithmetic.h"

namespace stemma::optim {
namespace {

constexpr int kLanes = 16;

template <typename T>
STEMMA_BODY double Total(const T* lanes) {
  double sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += static_cast<double>(lanes[lane]);
  return sum;
}

template <typename T>
STEMMA_BODY double SumOfSquaresBody(const T* data, int64_t count) {
  T lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += data[i + lane] * data[i + lane];
  }
  for (int lane = 0; i < count; ++i, ++lane) lanes[lane] += data[i] * data[i];
  return Total(lanes);
}

// One core keeps the memory busy only if it asks ahead: its prefetchers follow four arrays that are
// read and written less well than one, and stop at the end of a page. Past an array's end nothing
// happens.
constexpr int64_t kBytesAhead = 2048;
constexpr int64_t kLineBytes = 64;

template <typename T>
STEMMA_BODY void FetchLanesAhead(const T* from) {
  const char* ahead = reinterpret_cast<const char*>(from) + kBytesAhead;
  for (int64_t at = 0; at < static_cast<int64_t>(kLanes * sizeof(T)); at += kLineBytes) {
    __builtin_prefetch(ahead + at);
  }
}

template <bool kKeepsUpdate, typename T>
STEMMA_BODY Sums LambNormsBody(const Scalars<T>& k, const Chunk<T>& c) {
  const T* __restrict p = c.p;
  const T* __restrict g = c.g;
  T* __restrict m = c.m;
  T* __restrict v = c.v;
  T* __restrict kept = c.u;
  T p_lanes[kLanes] = {}, u_lanes[kLanes] = {};
  const auto one = [&](int64_t i, int lane) __attribute__((always_inline)) {
    LambMoments(k, p[i], g[i], &m[i], &v[i]);
    const T u = LambUpdate(k, p[i], m[i], v[i]);
    const T shrunk = p[i] * k.shrink;
    if constexpr (kKeepsUpdate) kept[i] = u;
    p_lanes[lane] += shrunk * shrunk;
    u_lanes[lane] += u * u;
  };
  int64_t i = 0;
  for (; i + kLanes <= c.count; i += kLanes) {
    FetchLanesAhead(p + i);
    FetchLanesAhead(g + i);
    FetchLanesAhead(m + i);
    FetchLanesAhead(v + i);
#pragma GCC ivdep
    for (int lane = 0; lane < kLanes; ++lane) one(i + lane, lane);
  }
  for (int lane = 0; i < c.count; ++i, ++lane) one(i, lane);
  return {Total(p_lanes), Total(u_lanes)};
}

template <typename T>
STEMMA_BODY void LambApplyBody(const Scalars<T>& k, const Chunk<T>& c) {
  T* __restrict p = c.p;
  const T* __restrict m = c.m;
  const T* __restrict v = c.v;
  const T* __restrict u = c.u;
  if (u != nullptr) {
#pragma GCC ivdep
    for (int64_t i = 0; i < c.count; ++i) p[i] = LambStep(k, p[i], u[i]);
    return;
  }
#pragma GCC ivdep
  for (int64_t i = 0; i < c.count; ++i) {
    p[i] = LambStep(k, p[i], LambUpdate(k, p[i], m[i], v[i]));
  }
}

template <typename T>
STEMMA_BODY void LambDirectBody(const Scalars<T>& k, const Chunk<T>& c) {
  T* __restrict p = c.p;
  const T* __restrict g = c.g;
  T* __restrict m = c.m;
  T* __restrict v = c.v;
#pragma GCC ivdep
  for (int64_t i = 0; i < c.count; ++i) {
    LambMoments(k, p[i], g[i], &m[i], &v[i]);
    p[i] = LambStep(k, p[i], LambUpdate(k, p[i], m[i], v[i]));
  }
}

template <typename T>
STEMMA_BODY void AdamBody(const Scalars<T>& k, const Chunk<T>& c) {
  T* __restrict p = c.p;
  const T* __restrict g = c.g;
  T* __restrict m = c.m;
  T* __restrict v = c.v;
#pragma GCC ivdep
  for (int64_t i = 0; i < c.count; ++i) AdamElement(k, &p[i], g[i], &m[i], &v[i]);
}

template <typename T>
STEMMA_BODY void SgdBody(const Scalars<T>& k, const Chunk<T>& c) {
  T* __restrict p = c.p;
  const T* __restrict g = c.g;
  T* __restrict m = c.m;
  if (m == nullptr) {
#pragma GCC ivdep
    for (int64_t i = 0; i < c.count; ++i) PlainSgdElement(k, &p[i], g[i]);
    return;
  }
  const T ahead = k.nesterov ? k.momentum : T{1};
  const T now = k.nesterov ? T{1} : T{0};
#pragma GCC ivdep
  for (int64_t i = 0; i < c.count; ++i) SgdElement(k, now, ahead, &p[i], g[i], &m[i]);
}

template <typename T>
STEMMA_BODY void LarsBody(const Scalars<T>& k, const Chunk<T>& c) {
  T* __restrict p = c.p;
  const T* __restrict g = c.g;
  T* __restrict m = c.m;
  if (m == nullptr) {
#pragma GCC ivdep
    for (int64_t i = 0; i < c.count; ++i) PlainLarsElement(k, &p[i], g[i]);
    return;
  }
#pragma GCC ivdep
  for (int64_t i = 0; i < c.count; ++i) LarsElement(k, &p[i], g[i], &m[i]);
}

#define STEMMA_KERNELS(unit, attribute)                                                    \
  namespace unit {                                                                         \
  template <typename T>                                                                    \
  attribute double SumOfSquares(const T* data, int64_t count) {                            \
    return SumOfSquaresBody(data, count);                                                  \
  }                                                                                        \
  template <typename T>                                                                    \
  attribute Sums LambNorms(Scalars<T> k, Chunk<T> c) {                                     \
    return c.u == nullptr ? LambNormsBody<false>(k, c) : LambNormsBody<true>(k, c);        \
  }                                                                                        \
  template <typename T>                                                                    \
  attribute void LambApply(Scalars<T> k, Chunk<T> c) {                                     \
    LambApplyBody(k, c);                                                                   \
  }                                                                                        \
  template <typename T>                                                                    \
  attribute void LambDirect(Scalars<T> k, Chunk<T> c) {                                    \
    LambDirectBody(k, c);                                                                  \
  }                                                                                        \
  template <typename T>                                                                    \
  attribute void Adam(Scalars<T> k, Chunk<T> c) {                                          \
    AdamBody(k, c);                                                                        \
  }                                                                                        \
  template <typename T>                                                                    \
  attribute void Sgd(Scalars<T> k, Chunk<T> c) {                                           \
    SgdBody(k, c);                                                                         \
  }                                                                                        \
  template <typename T>                                                                    \
  attribute void Lars(Scalars<T> k, Chunk<T> c) {                                          \
    LarsBody(k, c);                                                                        \
  }                                                                                        \
  template <typename T>                                                                    \
  constexpr Kernels<T> kAll = {SumOfSquares<T>, LambNorms<T>, LambApply<T>, LambDirect<T>, \
                               Adam<T>,         Sgd<T>,       Lars<T>};                    \
  }

STEMMA_KERNELS(baseline, )
#if defined(__x86_64__)
STEMMA_KERNELS(avx2, __attribute__((target("avx2"))))
STEMMA_KERNELS(avx512, __attribute__((target("avx512f,avx512dq,avx512vl"))))
#endif

}  // namespace

bool HasIsa(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx2) return __builtin_cpu_supports("avx2") != 0;
  if (isa == Isa::kAvx512) {
    return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
           __builtin_cpu_supports("avx512vl") != 0;
  }
#endif
  return isa == Isa::kBaseline;
}

Isa BestIsa() {
  static const Isa best = HasIsa(Isa::kAvx512) ? Isa::kAvx512
                          : HasIsa(Isa::kAvx2) ? Isa::kAvx2
                                               : Isa::kBaseline;
  return best;
}

template <typename T>
const Kernels<T>& KernelsOf(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx2) return avx2::kAll<T>;
  if (isa == Isa::kAvx512) return avx512::kAll<T>;
#endif
  static_cast<void>(isa);
  return baseline::kAll<T>;
}

template const Kernels<float>& KernelsOf<float>(Isa isa);
template const Kernels<double>& KernelsOf<double>(Isa isa);

}  // namespace stemma::optim
