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

Status AdamW::Update() {
  const double lr = report().lr;
  Scalars<double> k = CommonScalars();
  k.fix2 = 1 / std::sqrt(1 - WholePower(settings().beta2, t()));
  k.step = lr / (1 - WholePower(settings().beta1, t()));
  for (size_t i = 0; i < spaces().size(); ++i) {
    STEMMA_RETURN_IF_ERROR(passes(i).Adam(k, lr, settings().name == "adam"));
  }
  return {};
}

}  // namespace stemma::optim
