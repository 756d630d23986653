// LAMB, Algorithm 2 of You et al. (ICLR 2020), and its published variants as options of the same
// update:
//
//   u = m^ / (sqrt(v^) + eps) + decay p       p -= lr phi(|p|) / |u| u
//
// with |p| before the update and |u| with the decay. A tensor without trust ratio (ratio 1) is
// updated in one pass; others in two, with the norms summed in the first.
//
// bias_correction "step_size" is DeepSpeed's and no re-arrangement of the algorithm: u is built
// from the uncorrected moments, so the decay weighs less against them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "optim/flat_optimizer.h"

namespace stemma::optim {

// What the last step computed for one tensor with a trust ratio.
struct TensorRatio {
  size_t parameter = 0;  // registration index
  double p_norm = 0, u_norm = 0, ratio = 1;
};

class Lamb final : public FlatOptimizer {
 public:
  Lamb(const OptimSettings& settings, int64_t total_steps, ops::Reducer& reducer,
       std::vector<Space> spaces);
  std::string Describe() const override;
  const std::vector<TensorRatio>& ratios() const { return ratios_; }  // in the plan's order

 private:
  void Update(StepReport* report) override;
  template <typename T>
  void UpdateSpace(size_t index);
  template <typename T>
  void FirstPass(size_t index, const Group& group, const Scalars<T>& common);
  template <typename T>
  void SecondPass(size_t index, const Group& group, const Scalars<T>& common);
  TensorRatio Finalise(const TensorPart& part) const;
  double StepSize() const;  // lr, with the correction when it lies there

  double lr_ = 0;
  std::vector<Sums> sums_;     // per chunk of the space at work
  std::vector<double> steps_;  // per tensor of the space at work: lr times ratio
  std::vector<TensorRatio> ratios_;
};

}  // namespace stemma::optim
