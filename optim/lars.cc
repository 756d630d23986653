#include "optim/lars.h"

#include <limits>

namespace stemma::optim {

Lars::Lars(const OptimSettings& settings, int64_t total_steps, ops::Reducer& reducer,
           std::vector<Space> spaces)
    : FlatOptimizer(settings, total_steps, reducer, std::move(spaces), MomentumSlots(settings)) {}

std::string Lars::Describe() const {
  size_t adapted = 0;
  for (const Space& space : spaces()) {
    for (const TensorPart& part : space.tensors) adapted += part.adapt ? 1 : 0;
  }
  std::string text = "lars, " + settings().lars_variant + ", " + std::to_string(adapted) + " of " +
                     std::to_string(tensors()) + " tensors adapted";
  if (adapted == 0) text += " (no trust ratio anywhere: this is sgd; see optim.adapt)";
  return text;
}

Status Lars::Update() {
  const OptimSettings& s = settings();
  Scalars<double> k = CommonScalars();
  k.limit = s.lars_clamp > 0 ? s.lars_clamp : std::numeric_limits<double>::infinity();
  LarsRule rule;
  rule.bounds = {0, 0, s.ratio_min, s.ratio_max};
  if (s.lars_variant == "inside") rule.variant = LarsVariant::kInside;
  if (s.lars_variant == "outside") rule.variant = LarsVariant::kOutside;
  rule.trust_coefficient = s.trust_coefficient;
  rule.eps = s.eps;
  rule.lr = report().lr;
  rule.clip_to_lr = s.clip_to_lr;
  for (size_t i = 0; i < spaces().size(); ++i) STEMMA_RETURN_IF_ERROR(passes(i).Lars(k, rule));
  return {};
}

}  // namespace stemma::optim
