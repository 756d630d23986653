// The calls of a sharded optimizer: a reduce-scatter in place of each bucket's all-reduce, sums
// that all ranks need, and the parameters that each rank has updated, to all.
//
//   STEMMA_RETURN_IF_ERROR(GatherShards(world, model));      // every rank has every parameter
//
// Collective; the world outlives the calls. The gathers wait: on return results are there (on a GPU
// the current stream waits). Thread: the loop's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/world.h"
#include "core/status.h"
#include "ops/bucket_hook.h"
#include "ops/flat_model.h"

namespace stemma::ops {

// Leaves the sum in this rank's part of the bucket, where it lies; the rest is undefined then. Of
// `plan` only the lengths of parts are kept. REQUIRES: plan.shards is the world's number of ranks.
std::unique_ptr<BucketHook> MakeReduceScatter(const Plan& plan);

// Each rank's part of each bucket of parameters goes to all, in place: parts lie where they belong.
// The last bucket first, because the next forward reads its layers first. Without shards it does
// nothing.
Status GatherShards(comm::World& world, const FlatModel& model);

// counts[r] elements of rank r, in rank order, into `all`. Tensors are dense and of one dtype.
Status GatherSums(comm::World& world, const at::Tensor& mine, const std::vector<int64_t>& counts,
                  const at::Tensor& all);

// The error of a step that begins although nobody has used the last one's parts.
Status ShardsUnused(const std::string& call);

}  // namespace stemma::ops
