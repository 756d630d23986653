#include "optim/sgd.h"

namespace stemma::optim {

Sgd::Sgd(const OptimSettings& settings, int64_t total_steps, ops::Reducer& reducer,
         std::vector<Space> spaces)
    : FlatOptimizer(settings, total_steps, reducer, std::move(spaces), MomentumSlots(settings)) {}

std::string Sgd::Describe() const {
  const char* kind = settings().nesterov ? "sgd with nesterov momentum" : "sgd with momentum";
  if (settings().momentum == 0) kind = "sgd without momentum";
  return std::string(kind) + ", " + std::to_string(tensors()) + " tensors";
}

Status Sgd::Update() {
  Scalars<double> k = CommonScalars();
  k.step = report().lr;
  for (size_t i = 0; i < spaces().size(); ++i) STEMMA_RETURN_IF_ERROR(passes(i).Sgd(k));
  return {};
}

}  // namespace stemma::optim
