#include "optim/sgd.h"

namespace stemma::optim {
namespace {

std::vector<std::string> SlotsOf(const OptimSettings& settings) {
  if (settings.momentum == 0) return {};
  return {"optim/momentum"};
}

}  // namespace

Sgd::Sgd(const OptimSettings& settings, int64_t total_steps, ops::Reducer& reducer,
         std::vector<Space> spaces)
    : FlatOptimizer(settings, total_steps, reducer, std::move(spaces), SlotsOf(settings)) {}

std::string Sgd::Describe() const {
  const char* kind = settings().nesterov ? "sgd with nesterov momentum" : "sgd with momentum";
  if (settings().momentum == 0) kind = "sgd without momentum";
  return std::string(kind) + ", " + std::to_string(tensors()) + " tensors";
}

void Sgd::Update(StepReport* report) {
  for (size_t i = 0; i < spaces().size(); ++i) {
    if (spaces()[i].dtype == DType::kF64) {
      UpdateSpace<double>(i, report->lr);
    } else {
      UpdateSpace<float>(i, report->lr);
    }
  }
}

template <typename T>
void Sgd::UpdateSpace(size_t index, double lr) {
  const Space& space = spaces()[index];
  const Kernels<T>& kernels = KernelsOf<T>(isa());
  Scalars<T> common = CommonScalars<T>();
  common.step = static_cast<T>(lr);
  ForChunks(0, static_cast<int64_t>(space.chunks.size()), [&](int64_t i) {
    const ChunkPart& chunk = space.chunks[static_cast<size_t>(i)];
    Scalars<T> k = common;
    k.decay = static_cast<T>(space.tensors[static_cast<size_t>(chunk.tensor)].decay);
    kernels.sgd(k, At<T>(index, chunk));
  });
}

}  // namespace stemma::optim
