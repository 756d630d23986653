// Begins a training with the weights of a file: rank 0 reads it, and every rank gets its bytes, so
// that all start from the same bits wherever the file lies.
//
//   STEMMA_ASSIGN_OR_RETURN(const BegunFrom begun,
//                           BeginFrom(source, workload->Parameters(), workload->Buffers(), world));
//
// Before anything is made of the parameters: an optimizer may begin with a copy of them. What the
// source skips stays as it is. Collective; the loop's thread. Failure, the same on every rank:
// lineage/initial_weights.h's; kInvalidArgument for tensors that no state can hold. The parameters
// are of no use then.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/initial_weights.h"
#include "ops/parameter.h"
#include "ops/world.h"

namespace stemma::models {

// On rank 0; empty on the others.
struct BegunFrom {
  std::string summary;  // InitialWeights::summary
  std::map<std::string, lineage::AttributeValue> attributes;
};

Result<BegunFrom> BeginFrom(const lineage::WeightsSource& source,
                            const std::vector<ops::Parameter>& parameters,
                            const std::vector<ops::Buffer>& buffers, ops::World& world);

}  // namespace stemma::models
