// The calls of a sharded optimizer beside the buckets' reduce-scatter: sums that all ranks need,
// and the parameters that each rank has updated, to all.
//
//   STEMMA_RETURN_IF_ERROR(GatherShards(world, model));      // every rank has every parameter
//
// Collective; the world outlives the call. They wait: on return results are there (on a GPU the
// current stream waits). Thread: the loop's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "comm/world.h"
#include "core/status.h"
#include "ops/flat_model.h"

namespace stemma::ops {

// Each rank's part of each bucket of parameters goes to all, in place: parts lie where they belong.
// The last bucket first, because the next forward reads its layers first. REQUIRES: the plan has as
// many shards as the world has ranks.
Status GatherShards(comm::World& world, const FlatModel& model);

// counts[r] elements of rank r, in rank order, into `all`. Tensors are dense and of one dtype.
Status GatherSums(comm::World& world, const at::Tensor& mine, const std::vector<int64_t>& counts,
                  const at::Tensor& all);

}  // namespace stemma::ops
