// The networks that samples are taken of, as one interface. Internal to sample/.
//
// Thread: one. LibTorch's exceptions leave every function.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ops/parameter.h"

namespace stemma::models {

class SampledNetwork {
 public:
  virtual ~SampledNetwork() = default;
  virtual const std::vector<ops::Parameter>& parameters() const = 0;
  virtual const std::vector<ops::Buffer>& buffers() const = 0;
  virtual void SetTraining(bool training) = 0;
  virtual at::Tensor Forward(const at::Tensor& input) = 0;  // all outputs, [N, ...]
  // Of one sample; `side` 0: the network's own. Empty: it cannot take that side.
  virtual std::vector<int64_t> InputShape(int64_t side) const = 0;
};

// `last`: AI-GW's samples before the heads, from the shape of "q.fc1.weight" in given weights; 0:
// the published one. `classes`: ResNet-50's, from "fc.weight"; 0: 1000. Null: no such model.
std::unique_ptr<SampledNetwork> MakeSampled(const std::string& model, int64_t last,
                                            int64_t classes);

}  // namespace stemma::models
