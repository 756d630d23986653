#include "optim/lamb.h"

#include <cmath>

#include "ops/guard.h"
#include "optim/power.h"

namespace stemma::optim {

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
  const double lr = report().lr;
  if (settings().bias_correction != "step_size") return lr;
  return lr * std::sqrt(1 - WholePower(settings().beta2, t())) /
         (1 - WholePower(settings().beta1, t()));
}

Status Lamb::Update() {
  Scalars<double> k = CommonScalars();
  if (settings().bias_correction == "moments") {
    k.fix1 = 1 / (1 - WholePower(settings().beta1, t()));
    k.fix2 = 1 / (1 - WholePower(settings().beta2, t()));
  }
  k.step = StepSize();
  const RatioBounds bounds = {settings().phi_min, settings().phi_max, settings().ratio_min,
                              settings().ratio_max};
  updated_ = true;
  for (size_t i = 0; i < spaces().size(); ++i) {
    STEMMA_RETURN_IF_ERROR(passes(i).Lamb(k, bounds));
  }
  return {};
}

Status Lamb::AddRatios(size_t space, std::vector<TensorRatio>* all) {
  std::vector<TrustRatio> by_tensor;
  STEMMA_RETURN_IF_ERROR(passes(space).Ratios(&by_tensor));
  for (size_t t = 0; t < by_tensor.size(); ++t) {
    const TensorPart& part = spaces()[space].tensors[t];
    const TrustRatio& of = by_tensor[t];
    if (part.adapt) all->push_back({part.parameter, of.p_norm, of.u_norm, of.ratio});
  }
  return {};
}

Result<std::vector<TensorRatio>> Lamb::Ratios() {
  std::vector<TensorRatio> all;
  for (size_t i = 0; updated_ && i < spaces().size(); ++i) {
    STEMMA_RETURN_IF_ERROR(ops::Guard("Optimizer::Ratios", [&] { return AddRatios(i, &all); }));
  }
  return all;
}

}  // namespace stemma::optim
