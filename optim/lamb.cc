#include "optim/lamb.h"

#include <algorithm>
#include <cmath>

#include "optim/schedule.h"

namespace stemma::optim {
namespace {

double Clamp(double value, double low, double high) {
  value = std::max(value, low);
  return high > 0 ? std::min(value, high) : value;
}

void Summarise(const std::vector<TensorRatio>& ratios, StepReport* report) {
  report->adapted = static_cast<int64_t>(ratios.size());
  if (ratios.empty()) return;
  std::vector<double> sorted;
  for (const TensorRatio& ratio : ratios) sorted.push_back(ratio.ratio);
  std::sort(sorted.begin(), sorted.end());
  report->ratio_min = sorted.front();
  report->ratio_median = sorted[sorted.size() / 2];
  report->ratio_max = sorted.back();
}

}  // namespace

Lamb::Lamb(const OptimSettings& settings, int64_t total_steps, ops::Reducer& reducer,
           std::vector<Space> spaces)
    : FlatOptimizer(settings, total_steps, reducer, std::move(spaces), {"optim/m", "optim/v"}) {}

std::string Lamb::Describe() const {
  size_t adapted = 0, decayed = 0;
  for (const Space& space : spaces()) {
    for (const TensorPart& part : space.tensors) {
      adapted += part.adapt ? 1 : 0;
      decayed += part.decay != 0 ? 1 : 0;
    }
  }
  std::string text = "lamb, " + std::to_string(adapted) + " of " + std::to_string(tensors()) +
                     " tensors adapted, " + std::to_string(decayed) + " decayed";
  if (adapted == 0) text += " (no trust ratio anywhere: this is Adam; see optim.adapt)";
  return text;
}

double Lamb::StepSize() const {
  if (settings().bias_correction != "step_size") return lr_;
  return lr_ * std::sqrt(1 - WholePower(settings().beta2, t())) /
         (1 - WholePower(settings().beta1, t()));
}

void Lamb::Update(StepReport* report) {
  lr_ = report->lr;
  ratios_.clear();
  for (size_t i = 0; i < spaces().size(); ++i) {
    if (spaces()[i].dtype == DType::kF64) {
      UpdateSpace<double>(i);
    } else {
      UpdateSpace<float>(i);
    }
  }
  Summarise(ratios_, report);
}

template <typename T>
void Lamb::UpdateSpace(size_t index) {
  const Space& space = spaces()[index];
  Scalars<T> common = CommonScalars<T>();
  if (settings().bias_correction == "moments") {
    common.fix1 = static_cast<T>(1 / (1 - WholePower(settings().beta1, t())));
    common.fix2 = static_cast<T>(1 / (1 - WholePower(settings().beta2, t())));
  }
  common.step = static_cast<T>(StepSize());
  sums_.resize(space.chunks.size());
  steps_.assign(space.tensors.size(), StepSize());
  for (const Group& group : space.groups) {
    FirstPass<T>(index, group, common);
    for (int64_t t = group.first_tensor; t < group.end_tensor; ++t) {
      const TensorPart& part = space.tensors[static_cast<size_t>(t)];
      if (!part.adapt) continue;
      ratios_.push_back(Finalise(part));
      steps_[static_cast<size_t>(t)] *= ratios_.back().ratio;
    }
    SecondPass<T>(index, group, common);
  }
}

template <typename T>
void Lamb::FirstPass(size_t index, const Group& group, const Scalars<T>& common) {
  const Space& space = spaces()[index];
  const Kernels<T>& kernels = KernelsOf<T>(isa());
  ForChunks(group.first_chunk, group.end_chunk, [&](int64_t i) {
    const ChunkPart& chunk = space.chunks[static_cast<size_t>(i)];
    const TensorPart& part = space.tensors[static_cast<size_t>(chunk.tensor)];
    Scalars<T> k = common;
    k.decay = static_cast<T>(part.decay);
    if (part.adapt) {
      sums_[static_cast<size_t>(i)] = kernels.lamb_norms(k, At<T>(index, chunk));
    } else {
      kernels.lamb_direct(k, At<T>(index, chunk));
    }
  });
}

TensorRatio Lamb::Finalise(const TensorPart& part) const {
  Sums total;
  for (int64_t i = part.first_chunk; i < part.end_chunk; ++i) {
    total.p += sums_[static_cast<size_t>(i)].p;
    total.u += sums_[static_cast<size_t>(i)].u;
  }
  TensorRatio out;
  out.parameter = part.parameter;
  out.p_norm = std::sqrt(total.p);
  out.u_norm = std::sqrt(total.u);
  if (out.p_norm > 0 && out.u_norm > 0) {
    const double phi = Clamp(out.p_norm, settings().phi_min, settings().phi_max);
    out.ratio = Clamp(phi / out.u_norm, settings().ratio_min, settings().ratio_max);
  }
  return out;
}

template <typename T>
void Lamb::SecondPass(size_t index, const Group& group, const Scalars<T>& common) {
  const Space& space = spaces()[index];
  const Kernels<T>& kernels = KernelsOf<T>(isa());
  ForChunks(group.first_chunk, group.end_chunk, [&](int64_t i) {
    const ChunkPart& chunk = space.chunks[static_cast<size_t>(i)];
    const TensorPart& part = space.tensors[static_cast<size_t>(chunk.tensor)];
    if (!part.adapt) return;
    Scalars<T> k = common;
    k.decay = static_cast<T>(part.decay);
    k.step = static_cast<T>(steps_[static_cast<size_t>(chunk.tensor)]);
    kernels.lamb_apply(k, At<T>(index, chunk));
  });
}

}  // namespace stemma::optim
