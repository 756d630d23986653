// LARS of You et al. 2017 (arXiv:1708.03888): SGD with momentum and a rate of its own for each
// tensor, the ratio l = trust_coefficient |p| / (|g| + decay |p| + eps). With d = g + decay p the
// published variants differ in what the momentum B is of, as soon as the learning rate changes:
//
//   inside        B = momentum B + lr l d      p -= B         the paper, Algorithm 1
//   ratio_inside  B = momentum B + l d         p -= lr B      apex LARC
//   outside       B = momentum B + d           p -= lr l B    NUS
//
// l is kept within ratio_min and ratio_max; clip_to_lr then makes it min(l / lr, 1), so that no
// tensor's rate is above lr (LARC); lars_clamp keeps each element of d within +- its value (NUS:
// ratio_max 50, lars_clamp 10). |p| is from before the update, |g| from after max_grad_norm. l is 1
// where a norm is 0 and for excluded roles, which have no decay either: plain momentum SGD in the
// same form. State: "optim/momentum", none with momentum 0, where all variants are the same.
//
// Thread: the loop's.
#pragma once

#include <string>
#include <vector>

#include "optim/flat_optimizer.h"

namespace stemma::optim {

class Lars final : public FlatOptimizer {
 public:
  Lars(const OptimSettings& settings, int64_t total_steps, ops::Reducer& reducer,
       std::vector<Space> spaces);
  std::string Describe() const override;

 private:
  Status Update() override;
};

}  // namespace stemma::optim
