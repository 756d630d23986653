// Adam and AdamW as LibTorch defines them, which is the oracle of their tests. They differ in where
// the weight decay goes: into the gradient (Adam), or straight off the parameter (AdamW).
#pragma once

#include <string>
#include <vector>

#include "optim/flat_optimizer.h"

namespace stemma::optim {

class AdamW final : public FlatOptimizer {
 public:
  // settings.name is "adam" or "adamw".
  AdamW(const OptimSettings& settings, int64_t total_steps, ops::Reducer& reducer,
        std::vector<Space> spaces);
  std::string Describe() const override;

 private:
  Status Update() override;
};

}  // namespace stemma::optim
