// The arithmetic of the optimizers: one function per pass over one chunk of one tensor, in float
// and in double, for each vector unit of the host.
//
//   const Kernels<float>& kernels = KernelsOf<float>(BestIsa());
//   Sums sums = kernels.lamb_norms(scalars, chunk);     // writes m and v
//   ...                                                 // ratio of the whole tensor
//   kernels.lamb_apply(scalars, chunk);                 // writes p
//
// The bits do not depend on the vector unit: sums have 16 lanes in the source (element i in lane
// i mod 16, added in lane order in double, as ops/norm.h does), everything else is element by
// element, and products are never contracted into FMA. So ranks on different hosts agree, and a
// test compares all units of the host it runs on.
//
// LAMB's second pass takes the update from `u`, where the first has left it, and computes it again
// where `u` is null: 40 bytes per parameter from memory either way, but one root and one division
// less. The gradient stays intact (OPTIM section 9.2). The formulas themselves stand in
// arithmetic.h, which the kernels of a GPU share. No LibTorch. Pure functions; any thread, as long
// as no two work on the same chunk.
#pragma once

#include <cmath>
#include <cstdint>

namespace stemma::optim {

// Up to ops::kChunk elements, at the same place in every array. Unused arrays may be null.
template <typename T>
struct Chunk {
  T* p = nullptr;
  const T* g = nullptr;
  T* m = nullptr;  // sgd: the momentum
  T* v = nullptr;
  int64_t count = 0;
  T* u = nullptr;  // lamb: the update, from the first pass to the second; null: computed again
};

// One tensor's numbers in one step, each computed in double and rounded once. 1 - beta in float
// would be wrong by 1e-5 for 0.999.
template <typename T>
struct Scalars {
  T grad_scale = 1;         // 1 / (clip divisor * loss scale): multiplies g as it is read
  T excluded_scale = 1;     // the same of tensors with an excluded role (SetGroup)
  T grad_limit = INFINITY;  // then g is clipped to +- this
  T beta1 = 0, rest1 = 1;   // rest1 = 1 - beta1
  T beta2 = 0, rest2 = 1;
  T fix1 = 1, fix2 = 1;  // bias corrections: u = fix1 m / (sqrt(fix2 v) + eps)
  T eps = 0;
  T eps_root = 0;         // lamb: eps where it is added under the root, and `eps` is 0 then
  T decay = 0;            // lamb, adam, sgd, lars: added to the update times p
  T l2 = 0;               // lamb: added to g times p, before the moments
  T shrink = 1;           // lamb, adamw: p is multiplied by it first
  T step = 0;             // learning rate, with ratio and correction where there is one
  T momentum = 0;         // sgd, lars
  T inside = 1;           // lars: multiplies the gradient on its way into the momentum
  T limit = 0;            // lars: the decayed gradient's elements are within +- this
  bool nesterov = false;  // sgd
};

// lamb: where the decay goes. kDecoupled needs the learning rate, without any ratio.
enum class DecayPlace { kInUpdate, kL2, kDecoupled };

struct Sums {
  double p = 0;  // of p squared, before the update
  double u = 0;  // of u squared, with the decay
};

// lamb, lars: what clamps |p| and the ratio; 0 for a maximum: none.
struct RatioBounds {
  double phi_min = 0, phi_max = 0, ratio_min = 0, ratio_max = 0;
};

// What the passes of lamb set per tensor.
struct LambRule {
  RatioBounds bounds;
  DecayPlace place = DecayPlace::kInUpdate;
  double lr = 0;
};

// What the passes of lars set per tensor (lars.h).
enum class LarsVariant { kInside, kRatioInside, kOutside };
struct LarsRule {
  RatioBounds bounds;  // of the ratio
  LarsVariant variant = LarsVariant::kRatioInside;
  double trust_coefficient = 0, eps = 0, lr = 0;
  bool clip_to_lr = false;
};

// The norms of one tensor and of its update (lars: of its gradient, clipped and without decay), and
// the ratio made of them.
struct TrustRatio {
  double p_norm = 0, u_norm = 0, ratio = 1;
};

template <typename T>
struct Kernels {
  double (*sum_of_squares)(const T* data, int64_t count);  // the bits of ops::ChunkSumOfSquares
  Sums (*lamb_norms)(Scalars<T> k, Chunk<T> c);            // pass 1 of adapted tensors: m, v, u
  void (*lamb_apply)(Scalars<T> k, Chunk<T> c);            // pass 2: p -= step u
  void (*lamb_direct)(Scalars<T> k, Chunk<T> c);           // not adapted: m, v and p in one pass
  void (*adam)(Scalars<T> k, Chunk<T> c);                  // adam: decay in g; adamw: shrink
  void (*sgd)(Scalars<T> k, Chunk<T> c);                   // m is null without momentum
  void (*lars)(Scalars<T> k, Chunk<T> c);                  // the same
};

enum class Isa { kBaseline, kAvx2, kAvx512 };

bool HasIsa(Isa isa);  // of this host; kBaseline always
Isa BestIsa();         // looked up once

// REQUIRES: HasIsa(isa). T is float or double.
template <typename T>
const Kernels<T>& KernelsOf(Isa isa);

}  // namespace stemma::optim
