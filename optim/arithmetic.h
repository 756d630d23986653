// The formulas of one element and of one tensor, once for the host's vector units and for GPUs.
//
//   LambMoments(k, g[i], &m[i], &v[i]);
//   u = LambUpdate(k, p[i], m[i], v[i]);
//
// One source, so that a CPU and a GPU differ in the order of their sums only, and a change of a
// formula reaches both. No product may be contracted into an FMA: -ffp-contract=off on the host,
// -fmad=false on the device. Roots and divisions are rounded correctly on both.
//
// For kernels.cc, kernels.cu and what runs them. Pure functions; any thread.
#pragma once

#include <cmath>

#include "optim/kernels.h"

// On the host it is inlined into functions that are compiled for different vector units.
#if defined(__CUDACC__)
#define STEMMA_BODY __host__ __device__ __forceinline__
#else
#define STEMMA_BODY __attribute__((always_inline)) inline
#endif

namespace stemma::optim {

// Each number rounded once to T.
template <typename T>
STEMMA_BODY Scalars<T> Round(const Scalars<double>& k) {
  Scalars<T> out;
  out.grad_scale = static_cast<T>(k.grad_scale);
  out.grad_limit = static_cast<T>(k.grad_limit);
  out.beta1 = static_cast<T>(k.beta1);
  out.rest1 = static_cast<T>(k.rest1);
  out.beta2 = static_cast<T>(k.beta2);
  out.rest2 = static_cast<T>(k.rest2);
  out.fix1 = static_cast<T>(k.fix1);
  out.fix2 = static_cast<T>(k.fix2);
  out.excluded_scale = static_cast<T>(k.excluded_scale);
  out.eps = static_cast<T>(k.eps);
  out.eps_root = static_cast<T>(k.eps_root);
  out.l2 = static_cast<T>(k.l2);
  out.inside = static_cast<T>(k.inside);
  out.limit = static_cast<T>(k.limit);
  out.decay = static_cast<T>(k.decay);
  out.shrink = static_cast<T>(k.shrink);
  out.step = static_cast<T>(k.step);
  out.momentum = static_cast<T>(k.momentum);
  out.nesterov = k.nesterov;
  return out;
}

// A gradient as the update sees it.
template <typename T>
STEMMA_BODY T Gradient(const Scalars<T>& k, T g) {
  const T x = g * k.grad_scale;
  const T above = x < -k.grad_limit ? -k.grad_limit : x;
  return above > k.grad_limit ? k.grad_limit : above;
}

// Before anything else that is set per tensor.
template <typename T>
STEMMA_BODY void SetGroup(Scalars<T>* k, bool excluded) {
  if (excluded) k->grad_scale = k->excluded_scale;
}

template <typename T>
STEMMA_BODY void Moments(const Scalars<T>& k, T x, T* m, T* v) {
  *m = k.beta1 * *m + k.rest1 * x;
  *v = k.beta2 * *v + k.rest2 * (x * x);
}

// What an option leaves out is a sum with 0 or a product with 1, which change no bit.
template <typename T>
STEMMA_BODY void LambMoments(const Scalars<T>& k, T p, T g, T* m, T* v) {
  Moments(k, Gradient(k, g) + k.l2 * p, m, v);
}

template <typename T>
STEMMA_BODY T LambUpdate(const Scalars<T>& k, T p, T m, T v) {
  return (m * k.fix1) / (std::sqrt(v * k.fix2 + k.eps_root) + k.eps) + k.decay * p;
}

template <typename T>
STEMMA_BODY T LambStep(const Scalars<T>& k, T p, T u) {
  return p * k.shrink - k.step * u;
}

template <typename T>
STEMMA_BODY void SetLambDecay(Scalars<T>* k, double decay, const LambRule& rule) {
  k->decay = static_cast<T>(rule.place == DecayPlace::kInUpdate ? decay : 0);
  k->l2 = static_cast<T>(rule.place == DecayPlace::kL2 ? decay : 0);
  k->shrink = static_cast<T>(rule.place == DecayPlace::kDecoupled ? 1 - rule.lr * decay : 1);
}

// fix2 corrects the root before eps is added: 1 / sqrt(1 - beta2^t) as in torch's Adam, or 1 where
// `step` corrects both, as in Keras's.
template <typename T>
STEMMA_BODY void AdamElement(const Scalars<T>& k, T* p, T g, T* m, T* v) {
  Moments(k, Gradient(k, g) + k.decay * *p, m, v);
  *p = *p * k.shrink - k.step * (*m / (std::sqrt(*v) * k.fix2 + k.eps));
}

template <typename T>
STEMMA_BODY void PlainSgdElement(const Scalars<T>& k, T* p, T g) {
  *p -= k.step * (Gradient(k, g) + k.decay * *p);
}

// `now` and `ahead` weigh the gradient and the momentum in the step: 0 and 1, with nesterov 1 and
// the momentum.
template <typename T>
STEMMA_BODY void SgdElement(const Scalars<T>& k, T now, T ahead, T* p, T g, T* m) {
  const T d = Gradient(k, g) + k.decay * *p;
  *m = k.momentum * *m + d;
  *p -= k.step * (now * d + ahead * *m);
}

STEMMA_BODY double Clamp(double value, double low, double high) {
  value = value < low ? low : value;
  return high > 0 && high < value ? high : value;
}

// Of a tensor's sums. The ratio is 1 where a norm is 0.
STEMMA_BODY TrustRatio RatioOf(const Sums& total, const RatioBounds& bounds) {
  TrustRatio out;
  out.p_norm = std::sqrt(total.p);
  out.u_norm = std::sqrt(total.u);
  if (out.p_norm > 0 && out.u_norm > 0) {
    const double phi = Clamp(out.p_norm, bounds.phi_min, bounds.phi_max);
    out.ratio = Clamp(phi / out.u_norm, bounds.ratio_min, bounds.ratio_max);
  }
  return out;
}

// The gradient with its decay, each element within the limit.
template <typename T>
STEMMA_BODY T LarsGradient(const Scalars<T>& k, T p, T g) {
  const T d = Gradient(k, g) + k.decay * p;
  const T above = d < -k.limit ? -k.limit : d;
  return k.limit < above ? k.limit : above;
}

template <typename T>
STEMMA_BODY void LarsElement(const Scalars<T>& k, T* p, T g, T* m) {
  *m = k.momentum * *m + k.inside * LarsGradient(k, *p, g);
  *p -= k.step * *m;
}

template <typename T>
STEMMA_BODY void PlainLarsElement(const Scalars<T>& k, T* p, T g) {
  *p -= k.step * LarsGradient(k, *p, g);
}

// `p` and `g` are sums of squares of a tensor and of its gradient, which `scale` multiplies. The
// ratio is 1 where a norm is 0; with lr 0 nothing is above it.
STEMMA_BODY TrustRatio LarsRatioOf(double p, double g, double scale, double decay,
                                   const LarsRule& rule) {
  TrustRatio out;
  out.p_norm = std::sqrt(p);
  out.u_norm = std::sqrt(g) * scale;
  if (out.p_norm > 0 && out.u_norm > 0) {
    const double ratio =
        rule.trust_coefficient * out.p_norm / (out.u_norm + decay * out.p_norm + rule.eps);
    out.ratio = Clamp(ratio, rule.bounds.ratio_min, rule.bounds.ratio_max);
    if (rule.clip_to_lr) out.ratio = out.ratio < rule.lr ? out.ratio / rule.lr : 1;
  }
  return out;
}

// Where learning rate and ratio stand: all variants are the same without momentum.
template <typename T>
STEMMA_BODY void SetLars(Scalars<T>* k, double ratio, bool has_momentum, const LarsRule& rule) {
  const LarsVariant variant = has_momentum ? rule.variant : LarsVariant::kOutside;
  const double rate = rule.lr * ratio;
  k->inside = static_cast<T>(variant == LarsVariant::kInside        ? rate
                             : variant == LarsVariant::kRatioInside ? ratio
                                                                    : 1);
  k->step = static_cast<T>(variant == LarsVariant::kInside        ? 1
                           : variant == LarsVariant::kRatioInside ? rule.lr
                                                                  : rate);
}

// Adam: the decay goes into the gradient (coupled); AdamW: straight off the parameter.
template <typename T>
STEMMA_BODY void SetAdamDecay(Scalars<T>* k, double decay, double lr, bool coupled) {
  k->decay = static_cast<T>(coupled ? decay : 0);
  k->shrink = static_cast<T>(coupled ? 1 : 1 - lr * decay);
}

}  // namespace stemma::optim
