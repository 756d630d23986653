#include "optim/adamw.h"

#include <cmath>

#include "optim/power.h"

namespace stemma::optim {

AdamW::AdamW(const OptimSettings& settings, int64_t total_steps, ops::Reducer& reducer,
             std::vector<Space> spaces)
    : FlatOptimizer(settings, total_steps, reducer, std::move(spaces), {"optim/m", "optim/v"}) {}

std::string AdamW::Describe() const {
  return settings().name + ", " + std::to_string(tensors()) + " tensors";
}

Status AdamW::Update() {
  const double lr = report().lr;
  Scalars<double> k = CommonScalars();
  const double root2 = std::sqrt(1 - WholePower(settings().beta2, t()));
  const bool moments = settings().bias_correction == "moments";
  k.fix2 = moments ? 1 / root2 : 1;
  k.step = lr * (moments ? 1 : root2) / (1 - WholePower(settings().beta1, t()));
  for (size_t i = 0; i < spaces().size(); ++i) {
    STEMMA_RETURN_IF_ERROR(passes(i).Adam(k, lr, settings().name == "adam"));
  }
  return {};
}

}  // namespace stemma::optim
