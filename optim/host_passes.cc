#include <ATen/Functions.h>

#include <algorithm>

#include "core/check.h"
#include "optim/arithmetic.h"
#include "optim/cuda_passes.h"
#include "optim/passes.h"

namespace stemma::optim {
namespace {

template <typename T>
class HostPasses final : public Passes {
 public:
  HostPasses(const Space& space, const FlatMemory& memory, SumExchange* exchange)
      : space_(space), memory_(memory), exchange_(exchange) {
    STEMMA_CHECK(exchange == nullptr || space.groups.size() == 1, "norms are exchanged once");
    for (const TensorPart& part : space.tensors) adapted_ |= part.adapt;
  }

  Status SumGradients(std::vector<double>* by_tensor) override {
    sums_.resize(space_.chunks.size());
    // Backwards: what the update reads first is what this has read last.
    ForAllChunks(Order::kBackwards, [&](size_t i, const TensorPart&, const Chunk<T>& chunk) {
      sums_[i].p = kernels_.sum_of_squares(chunk.g, chunk.count);
    });
    STEMMA_RETURN_IF_ERROR(Exchange(1));
    squares_.clear();
    for (const TensorPart& part : space_.tensors) squares_.push_back(TotalOf(part).p);
    *by_tensor = squares_;
    return {};
  }

  Status Lamb(const Scalars<double>& k, const LambRule& rule) override {
    sums_.resize(space_.chunks.size());
    ratios_.assign(space_.tensors.size(), {});
    if (adapted_ && !kept_.defined()) kept_ = at::empty({MostKept()}, space_.gradients.options());
    for (const Group& group : space_.groups) {
      LambFirst(group, Round<T>(k), rule);
      if (adapted_) STEMMA_RETURN_IF_ERROR(Exchange(2));
      ForAdapted(group, [&](size_t t, const TensorPart& part) {
        ratios_[t] = RatioOf(TotalOf(part), rule.bounds);
      });
      LambSecond(group, k, rule);
    }
    return {};
  }

  Status Lars(const Scalars<double>& k, const LarsRule& rule) override {
    sums_.resize(space_.chunks.size());
    ratios_.assign(space_.tensors.size(), {});
    for (const Group& group : space_.groups) {
      ForGroup(group, Order::kBackwards,
               [&](size_t i, const TensorPart& part, const Chunk<T>& chunk) {
                 if (part.adapt) sums_[i].p = kernels_.sum_of_squares(chunk.p, chunk.count);
               });
      if (adapted_) STEMMA_RETURN_IF_ERROR(Exchange(1));
      ForAdapted(group, [&](size_t t, const TensorPart& part) {
        const double scale = part.excluded ? k.excluded_scale : k.grad_scale;
        ratios_[t] = LarsRatioOf(TotalOf(part).p, squares_[t], scale, part.decay, rule);
      });
      LarsUpdate(group, Round<T>(k), rule);
    }
    return {};
  }

  Status Ratios(std::vector<TrustRatio>* by_tensor) override {
    *by_tensor = ratios_;
    return {};
  }

  Status Adam(const Scalars<double>& k, double lr, bool coupled) override {
    const Scalars<T> common = Round<T>(k);
    ForAllChunks(Order::kForwards, [&](size_t, const TensorPart& part, const Chunk<T>& chunk) {
      Scalars<T> own = common;
      SetGroup(&own, part.excluded);
      SetAdamDecay(&own, part.decay, lr, coupled);
      kernels_.adam(own, chunk);
    });
    return {};
  }

  Status Sgd(const Scalars<double>& k) override {
    const Scalars<T> common = Round<T>(k);
    ForAllChunks(Order::kForwards, [&](size_t, const TensorPart& part, const Chunk<T>& chunk) {
      Scalars<T> own = common;
      SetGroup(&own, part.excluded);
      own.decay = static_cast<T>(part.decay);
      kernels_.sgd(own, chunk);
    });
    return {};
  }

 private:
  // The sums of other ranks' chunks: the first column, or both.
  Status Exchange(int64_t columns) {
    if (exchange_ == nullptr) return {};
    static_assert(sizeof(Sums) == 2 * sizeof(double), "a row of sums_ is two doubles");
    const auto rows = static_cast<int64_t>(sums_.size());
    return exchange_->Complete(
        at::from_blob(sums_.data(), {rows, 2}, at::kDouble).narrow(1, 0, columns));
  }

  // body(chunk index, its tensor, its arrays), in parallel, for a range of this rank's chunks.
  template <typename Body>
  void ForChunksOf(int64_t begin, int64_t end, Order order, const Body& body) {
    ForChunks(begin, end, order, [&](int64_t index) {
      const auto i = static_cast<size_t>(space_.mine[static_cast<size_t>(index)]);
      const ChunkPart& part = space_.chunks[i];
      body(i, space_.tensors[static_cast<size_t>(part.tensor)], At(part));
    });
  }

  template <typename Body>
  void ForAllChunks(Order order, const Body& body) {
    ForChunksOf(0, static_cast<int64_t>(space_.mine.size()), order, body);
  }

  Chunk<T> At(const ChunkPart& part) const {
    Chunk<T> chunk;
    chunk.p = static_cast<T*>(memory_.p) + part.offset;
    chunk.g = static_cast<const T*>(memory_.g) + part.offset;
    if (memory_.m != nullptr) chunk.m = static_cast<T*>(memory_.m) + part.state;
    if (memory_.v != nullptr) chunk.v = static_cast<T*>(memory_.v) + part.state;
    chunk.count = part.count;
    return chunk;
  }

  Sums TotalOf(const TensorPart& part) const {
    Sums total;
    for (int64_t i = part.first_chunk; i < part.end_chunk; ++i) {
      total.p += sums_[static_cast<size_t>(i)].p;
      total.u += sums_[static_cast<size_t>(i)].u;
    }
    return total;
  }

  template <typename Body>
  void ForGroup(const Group& group, Order order, const Body& body) {
    ForChunksOf(group.first_chunk, group.end_chunk, order, body);
  }

  // body(tensor index, tensor) for each tensor of the group with a ratio.
  template <typename Body>
  void ForAdapted(const Group& group, const Body& body) {
    for (auto t = static_cast<size_t>(group.first_tensor);
         t < static_cast<size_t>(group.end_tensor); ++t) {
      if (space_.tensors[t].adapt) body(t, space_.tensors[t]);
    }
  }

  int64_t MostKept() const {
    int64_t most = 0;
    for (const Group& group : space_.groups) {
      if (group.keeps_updates) most = std::max(most, group.count);
    }
    return most;
  }

  // The chunk with the place of its update, when the group's updates are kept.
  Chunk<T> WithUpdate(const Group& group, size_t i, Chunk<T> chunk) {
    if (!group.keeps_updates) return chunk;
    chunk.u = static_cast<T*>(kept_.data_ptr()) + (space_.chunks[i].state - group.first);
    return chunk;
  }

  void LambFirst(const Group& group, const Scalars<T>& common, const LambRule& rule) {
    ForGroup(group, Order::kForwards, [&](size_t i, const TensorPart& part, const Chunk<T>& chunk) {
      Scalars<T> own = common;
      SetGroup(&own, part.excluded);
      SetLambDecay(&own, part.decay, rule);
      if (part.adapt) {
        sums_[i] = kernels_.lamb_norms(own, WithUpdate(group, i, chunk));
      } else {
        kernels_.lamb_direct(own, chunk);
      }
    });
  }

  void LambSecond(const Group& group, const Scalars<double>& k, const LambRule& rule) {
    const Scalars<T> common = Round<T>(k);
    ForGroup(group, Order::kBackwards,
             [&](size_t i, const TensorPart& part, const Chunk<T>& chunk) {
               if (!part.adapt) return;
               const auto tensor = static_cast<size_t>(space_.chunks[i].tensor);
               Scalars<T> own = common;
               SetLambDecay(&own, part.decay, rule);
               own.step = static_cast<T>(k.step * ratios_[tensor].ratio);
               kernels_.lamb_apply(own, WithUpdate(group, i, chunk));
             });
  }

  void LarsUpdate(const Group& group, const Scalars<T>& common, const LarsRule& rule) {
    ForGroup(group, Order::kForwards, [&](size_t i, const TensorPart& part, const Chunk<T>& chunk) {
      const auto tensor = static_cast<size_t>(space_.chunks[i].tensor);
      Scalars<T> own = common;
      SetGroup(&own, part.excluded);
      own.decay = static_cast<T>(part.decay);
      SetLars(&own, ratios_[tensor].ratio, chunk.m != nullptr, rule);
      kernels_.lars(own, chunk);
    });
  }

  const Space& space_;
  const FlatMemory memory_;
  SumExchange* const exchange_;  // null: nothing is sharded
  const Kernels<T>& kernels_ = KernelsOf<T>(BestIsa());
  bool adapted_ = false;         // some tensor gets a ratio
  std::vector<Sums> sums_;       // per chunk
  std::vector<double> squares_;  // per tensor, of the last gradients
  std::vector<TrustRatio> ratios_;
  at::Tensor kept_;  // lamb: the updates of one group
};

}  // namespace

std::unique_ptr<Passes> MakePasses(const Space& space, const FlatMemory& memory,
                                   SumExchange* exchange) {
  if (space.parameters.is_cuda()) return MakeCudaPasses(space, memory, exchange);
  if (space.dtype == DType::kF64) {
    return std::make_unique<HostPasses<double>>(space, memory, exchange);
  }
  return std::make_unique<HostPasses<float>>(space, memory, exchange);
}

}  // namespace stemma::optim
