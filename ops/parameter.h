// A trainable (or frozen) tensor as the engine and the optimizers see it: a unique name, what it is
// for, and the tensor. The role decides weight decay and LAMB's trust ratio; a shape never does.
//
//   parameters.push_back({"conv1.weight", ParameterRole::kWeight, conv1->weight});
//
// Plain values. The tensor is a handle to the module's own, not a copy.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace stemma::ops {

enum class ParameterRole { kWeight, kBias, kNormScale, kNormShift, kEmbedding };

struct Parameter {
  std::string name;  // "block3.gate.weight": torchvision's names where a model has a twin there
  ParameterRole role = ParameterRole::kWeight;
  at::Tensor tensor;  // shares storage and autograd identity with the module's
};

// A buffer of the model (running statistics). Averaged ones are reduced over the ranks in every
// step; a buffer of an integer type is a counter and never averaged, whatever `averaged` says.
struct Buffer {
  std::string name;
  at::Tensor tensor;
  // False: the same on all ranks as long as all run forward() equally often (counters). After steps
  // in which they did not: Reducer::BroadcastBuffers.
  bool averaged = false;
};

}  // namespace stemma::ops
