#include "optim/adamw.h"

#include <cmath>

#include "optim/schedule.h"

namespace stemma::optim {

AdamW::AdamW(const OptimSettings& settings, int64_t total_steps, ops::Reducer& reducer,
             std::vector<Space> spaces)
    : FlatOptimizer(settings, total_steps, reducer, std::move(spaces), {"optim/m", "optim/v"}) {}

std::string AdamW::Describe() const {
  return settings().name + ", " + std::to_string(tensors()) + " tensors";
}

void AdamW::Update(StepReport* report) {
  for (size_t i = 0; i < spaces().size(); ++i) {
    if (spaces()[i].dtype == DType::kF64) {
      UpdateSpace<double>(i, report->lr);
    } else {
      UpdateSpace<float>(i, report->lr);
    }
  }
}

template <typename T>
void AdamW::UpdateSpace(size_t index, double lr) {
  const Space& space = spaces()[index];
  const Kernels<T>& kernels = KernelsOf<T>(isa());
  const bool coupled = settings().name == "adam";
  Scalars<T> common = CommonScalars<T>();
  common.fix2 = static_cast<T>(1 / std::sqrt(1 - WholePower(settings().beta2, t())));
  common.step = static_cast<T>(lr / (1 - WholePower(settings().beta1, t())));
  ForChunks(0, static_cast<int64_t>(space.chunks.size()), [&](int64_t i) {
    const ChunkPart& chunk = space.chunks[static_cast<size_t>(i)];
    const double decay = space.tensors[static_cast<size_t>(chunk.tensor)].decay;
    Scalars<T> k = common;
    k.decay = static_cast<T>(coupled ? decay : 0);
    k.shrink = static_cast<T>(coupled ? 1 : 1 - lr * decay);
    kernels.adam(k, At<T>(index, chunk));
  });
}

}  // namespace stemma::optim
