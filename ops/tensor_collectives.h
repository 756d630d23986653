// Collective calls on tensors, for people who own their loop: a loss to average, a metric to add, a
// tensor that rank 0 made. Gradients do not need them: the Reducer moves those.
//
//   STEMMA_RETURN_IF_ERROR(ops::AllReduce(world, loss, comm::Op::kAverage));
//   STEMMA_RETURN_IF_ERROR(ops::Broadcast(world, table, /*root=*/0));
//
// All ranks make the same calls in the same order, never between BeginStep and Wait of a Reducer on
// the same world. They wait: on return the tensor holds the result (on a GPU: the current stream
// waits). kInvalidArgument, before anything is sent, for a tensor that is not dense, is on another
// device, or has an element type that cannot be moved or added. Thread: the loop's.
#pragma once

#include <ATen/core/Tensor.h>

#include "comm/world.h"
#include "core/status.h"

namespace stemma::ops {

// In place. `scale` multiplies the result once; the same on all ranks.
Status AllReduce(comm::World& world, const at::Tensor& tensor, comm::Op op = comm::Op::kSum,
                 double scale = 1);

// Every rank's tensor becomes `root`'s. Sizes and dtype are the same on all ranks.
Status Broadcast(comm::World& world, const at::Tensor& tensor, int root);

}  // namespace stemma::ops
