// The model as the caller gave it, checked: what the Reducer relies on is true from here on.
#pragma once

#include <vector>

#include "comm/world.h"
#include "core/status.h"
#include "ops/handshake.h"
#include "ops/parameter.h"
#include "ops/plan.h"

namespace stemma::ops {

struct Model {
  std::vector<Parameter> parameters;  // registration order, each tensor once
  std::vector<Buffer> buffers;        // `averaged` only where it can be
};

// Drops later names of a tensor that is registered twice (tied weights). kInvalidArgument, naming
// the tensor: undefined, on another device than the world's, not dense, trainable but no leaf, a
// buffer's name used twice, or two different tensors over the same memory (moving them would untie
// them).
Result<Model> CheckModel(const comm::World& world, std::vector<Parameter> parameters,
                         std::vector<Buffer> buffers);

// What MakePlan wants. REQUIRES: CheckModel was OK.
std::vector<ParameterInfo> InfosOf(const std::vector<Parameter>& parameters);

// What the ranks compare: settings, parameters and buffers, with strides where they are not the
// usual ones (a channels-last model on one rank alone would mix up the elements).
ModelDescription DescriptionOf(const OpsSettings& settings, const Model& model);

}  // namespace stemma::ops
