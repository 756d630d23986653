// Adam and AdamW as LibTorch defines them, which is the oracle of their tests. They differ in where
// the weight decay goes: into the gradient (Adam), or straight off the parameter (AdamW).
//
//   bias_correction "moments"    p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
//   bias_correction "step_size"  p -= lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps)
//
// The second is the "epsilon hat" form at the end of section 2 of the paper (arXiv:1412.6980) and
// what Keras's and TensorFlow's Adam do: the same but for eps, which counts more in early steps.
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
