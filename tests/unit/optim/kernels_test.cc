// Hosts with different vector units must compute the same bits, or replicas drift apart.
#include <cmath>
#include <cstring>
#include <vector>

#include "core/random.h"
#include "ops/norm.h"
#include "optim/kernels.h"

#include <catch2/catch.hpp>

namespace stemma::optim {
namespace {

template <typename T>
struct Arrays {
  std::vector<T> p, g, m, v, u;
  explicit Arrays(size_t count) : p(count), g(count), m(count), v(count), u(count) {
    Random draw(Key({7, count}), "kernels");
    for (size_t i = 0; i < count; ++i) {
      p[i] = static_cast<T>(draw.Normal());
      g[i] = static_cast<T>(draw.Normal() * 0.01);
      m[i] = static_cast<T>(draw.Normal() * 0.01);
      v[i] = static_cast<T>(draw.Uniform() * 1e-4);
    }
  }
  Chunk<T> chunk() {
    return {p.data(), g.data(), m.data(), v.data(), static_cast<int64_t>(p.size()), nullptr};
  }
  bool SameBits(const Arrays& other) const {
    const auto same = [](const std::vector<T>& a, const std::vector<T>& b) {
      return std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
    };
    return same(p, other.p) && same(m, other.m) && same(v, other.v) && same(u, other.u);
  }
};

template <typename T>
Scalars<T> SomeScalars() {
  Scalars<T> k;
  k.grad_scale = static_cast<T>(0.7);
  k.grad_limit = static_cast<T>(0.005);  // cuts about half of the gradients
  k.beta1 = static_cast<T>(0.9);
  k.rest1 = static_cast<T>(0.1);
  k.beta2 = static_cast<T>(0.999);
  k.rest2 = static_cast<T>(0.001);
  k.fix1 = static_cast<T>(1.7);
  k.fix2 = static_cast<T>(30);
  k.eps = static_cast<T>(1e-6);
  k.decay = static_cast<T>(0.01);
  k.shrink = static_cast<T>(0.99);
  k.step = static_cast<T>(0.003);
  k.momentum = static_cast<T>(0.9);
  k.eps_root = static_cast<T>(1e-5);
  k.l2 = static_cast<T>(0.02);
  k.inside = static_cast<T>(0.5);
  k.limit = static_cast<T>(0.02);
  return k;
}

// All passes in a row; returns the norms.
template <typename T>
Sums RunAll(Isa isa, Arrays<T>* a) {
  const Kernels<T>& kernels = KernelsOf<T>(isa);
  Scalars<T> k = SomeScalars<T>();
  Scalars<T> whole = k;  // a parameter that is not shrunk first
  whole.shrink = 1;
  Sums sums = kernels.lamb_norms(whole, a->chunk());
  kernels.lamb_apply(k, a->chunk());
  Chunk<T> kept = a->chunk();
  kept.u = a->u.data();
  kernels.lamb_norms(k, kept);
  kernels.lamb_apply(k, kept);
  kernels.lamb_direct(k, a->chunk());
  kernels.lars(k, a->chunk());
  Chunk<T> plain = a->chunk();
  plain.m = nullptr;
  kernels.lars(k, plain);
  kernels.adam(k, a->chunk());
  kernels.sgd(k, a->chunk());
  k.nesterov = true;
  kernels.sgd(k, a->chunk());
  return sums;
}

template <typename T>
void CheckUnits() {
  for (size_t count : {1, 15, 16, 17, 100, 4095, 4096}) {
    Arrays<T> base(count);
    const double squares =
        KernelsOf<T>(Isa::kBaseline).sum_of_squares(base.p.data(), base.chunk().count);
    CHECK(squares == ops::ChunkSumOfSquares(base.p.data(), base.chunk().count));
    const Sums sums = RunAll<T>(Isa::kBaseline, &base);
    CHECK(sums.p == squares);
    for (Isa isa : {Isa::kAvx2, Isa::kAvx512}) {
      if (!HasIsa(isa)) continue;
      INFO("unit " << static_cast<int>(isa) << ", " << count << " elements");
      Arrays<T> other(count);
      CHECK(KernelsOf<T>(isa).sum_of_squares(other.p.data(), other.chunk().count) == squares);
      const Sums same = RunAll<T>(isa, &other);
      CHECK(same.p == sums.p);
      CHECK(same.u == sums.u);
      CHECK(other.SameBits(base));
    }
  }
}

TEST_CASE("float: every vector unit of this host gives the same bits") { CheckUnits<float>(); }
TEST_CASE("double: every vector unit of this host gives the same bits") { CheckUnits<double>(); }

TEST_CASE("lamb: the second pass gives the same bits with the update kept and computed again") {
  Arrays<float> kept(4000), again(4000);
  const Kernels<float>& kernels = KernelsOf<float>(BestIsa());
  Chunk<float> chunk = kept.chunk();
  chunk.u = kept.u.data();
  const Sums sums = kernels.lamb_norms(SomeScalars<float>(), chunk);
  kernels.lamb_apply(SomeScalars<float>(), chunk);
  CHECK(kernels.lamb_norms(SomeScalars<float>(), again.chunk()).u == sums.u);
  kernels.lamb_apply(SomeScalars<float>(), again.chunk());
  CHECK(kept.p == again.p);
}

TEST_CASE("a NaN in any lane reaches the sum") {
  for (size_t at = 0; at < 40; ++at) {
    std::vector<float> data(40, 1.0f);
    data[at] = std::nanf("");
    CHECK(std::isnan(KernelsOf<float>(BestIsa()).sum_of_squares(data.data(), 40)));
  }
}

}  // namespace
}  // namespace stemma::optim
