// LAMB, Algorithm 2 of You et al. (ICLR 2020), and its published variants as options of the same
// update:
//
//   u = m^ / (sqrt(v^) + eps) + decay p       p -= lr phi(|p|) / |u| u
//
// with |p| before the update and |u| with the decay. A tensor without trust ratio (ratio 1) is
// updated in one pass; others in two, with the norms summed in the first. settings.h tells where
// decay and eps may stand instead, and presets.h what published variants choose.
//
// bias_correction "step_size" is DeepSpeed's and no re-arrangement of the algorithm: u is built
// from the uncorrected moments, so the decay weighs less against them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "optim/flat_optimizer.h"

namespace stemma::optim {

class Lamb final : public FlatOptimizer {
 public:
  Lamb(const OptimSettings& settings, int64_t total_steps, ops::Reducer& reducer,
       std::vector<Space> spaces);
  std::string Describe() const override;

 private:
  Status Update() override;
  double StepSize() const;  // lr, with the correction when it lies there
};

}  // namespace stemma::optim
