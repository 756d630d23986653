#include "optim/lamb.h"

#include <cmath>
#include <utility>

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
  const std::string preset = settings().preset == "paper" ? "" : ", preset " + settings().preset;
  std::string text = "lamb" + preset + ", " + std::to_string(adapted) + " of " +
                     std::to_string(tensors()) + " tensors adapted, " + std::to_string(decayed) +
                     " decayed";
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
  const OptimSettings& s = settings();
  Scalars<double> k = CommonScalars();
  if (!s.grad_averaging) k.rest1 = 1;
  if (s.eps_inside_sqrt) k.eps_root = std::exchange(k.eps, 0.0);
  if (s.bias_correction == "moments") {
    k.fix1 = 1 / (1 - WholePower(s.beta1, t()));
    k.fix2 = 1 / (1 - WholePower(s.beta2, t()));
  }
  k.step = StepSize();
  LambRule rule;
  rule.bounds = {s.phi_min, s.phi_max, s.ratio_min, s.ratio_max};
  rule.lr = report().lr;
  if (s.decay == "l2") rule.place = DecayPlace::kL2;
  if (s.decay == "decoupled") rule.place = DecayPlace::kDecoupled;
  for (size_t i = 0; i < spaces().size(); ++i) {
    STEMMA_RETURN_IF_ERROR(passes(i).Lamb(k, rule));
  }
  return {};
}

}  // namespace stemma::optim
