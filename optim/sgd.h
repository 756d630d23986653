// SGD with momentum, as LibTorch defines it: d = g + decay p; B = momentum B + d; p -= lr B, or
// with Nesterov p -= lr (d + momentum B). Without momentum it keeps no state.
#pragma once

#include <string>
#include <vector>

#include "optim/flat_optimizer.h"

namespace stemma::optim {

class Sgd final : public FlatOptimizer {
 public:
  Sgd(const OptimSettings& settings, int64_t total_steps, ops::Reducer& reducer,
      std::vector<Space> spaces);
  std::string Describe() const override;

 private:
  Status Update() override;
};

}  // namespace stemma::optim
