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
  }

  Status SumGradients(std::vector<double>* by_tensor) override {
    sums_.resize(space_.chunks.size());
    ForAllChunks([&](size_t i, const TensorPart&, const Chunk<T>& chunk) {
      sums_[i].p = kernels_.sum_of_squares(chunk.g, chunk.count);
    });
    STEMMA_RETURN_IF_ERROR(Exchange(1));
    by_tensor->clear();
    for (const TensorPart& part : space_.tensors) by_tensor->push_back(TotalOf(part).p);
    return {};
  }

  Status Lamb(const Scalars<double>& k, const RatioBounds& bounds) override {
    sums_.resize(space_.chunks.size());
    ratios_.assign(space_.tensors.size(), {});
    const bool adapted = std::any_of(space_.tensors.begin(), space_.tensors.end(),
                                     [](const TensorPart& part) { return part.adapt; });
    for (const Group& group : space_.groups) {
      FirstPass(group, Round<T>(k));
      if (adapted) STEMMA_RETURN_IF_ERROR(Exchange(2));
      for (auto t = static_cast<size_t>(group.first_tensor);
           t < static_cast<size_t>(group.end_tensor); ++t) {
        const TensorPart& part = space_.tensors[t];
        if (part.adapt) ratios_[t] = RatioOf(TotalOf(part), bounds);
      }
      SecondPass(group, k);
    }
    return {};
  }

  Status Ratios(std::vector<TrustRatio>* by_tensor) override {
    *by_tensor = ratios_;
    return {};
  }

  Status Adam(const Scalars<double>& k, double lr, bool coupled) override {
    const Scalars<T> common = Round<T>(k);
    ForAllChunks([&](size_t, const TensorPart& part, const Chunk<T>& chunk) {
      Scalars<T> own = common;
      SetAdamDecay(&own, part.decay, lr, coupled);
      kernels_.adam(own, chunk);
    });
    return {};
  }

  Status Sgd(const Scalars<double>& k) override {
    const Scalars<T> common = Round<T>(k);
    ForAllChunks([&](size_t, const TensorPart& part, const Chunk<T>& chunk) {
      Scalars<T> own = common;
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
  void ForChunksOf(int64_t begin, int64_t end, const Body& body) {
    ForChunks(begin, end, [&](int64_t index) {
      const auto i = static_cast<size_t>(space_.mine[static_cast<size_t>(index)]);
      const ChunkPart& part = space_.chunks[i];
      body(i, space_.tensors[static_cast<size_t>(part.tensor)], At(part));
    });
  }

  template <typename Body>
  void ForAllChunks(const Body& body) {
    ForChunksOf(0, static_cast<int64_t>(space_.mine.size()), body);
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

  void FirstPass(const Group& group, const Scalars<T>& common) {
    ForChunksOf(group.first_chunk, group.end_chunk,
                [&](size_t i, const TensorPart& part, const Chunk<T>& chunk) {
                  Scalars<T> own = common;
                  own.decay = static_cast<T>(part.decay);
                  if (part.adapt) {
                    sums_[i] = kernels_.lamb_norms(own, chunk);
                  } else {
                    kernels_.lamb_direct(own, chunk);
                  }
                });
  }

  void SecondPass(const Group& group, const Scalars<double>& k) {
    const Scalars<T> common = Round<T>(k);
    ForChunksOf(group.first_chunk, group.end_chunk,
                [&](size_t i, const TensorPart& part, const Chunk<T>& chunk) {
                  if (!part.adapt) return;
                  const auto tensor = static_cast<size_t>(space_.chunks[i].tensor);
                  Scalars<T> own = common;
                  own.decay = static_cast<T>(part.decay);
                  own.step = static_cast<T>(k.step * ratios_[tensor].ratio);
                  kernels_.lamb_apply(own, chunk);
                });
  }

  const Space& space_;
  const FlatMemory memory_;
  SumExchange* const exchange_;  // null: nothing is sharded
  const Kernels<T>& kernels_ = KernelsOf<T>(BestIsa());
  std::vector<Sums> sums_;  // per chunk
  std::vector<TrustRatio> ratios_;
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
