// Collective calls on tensors, for people who own their loop: a loss to average, a metric to add, a
// tensor that rank 0 made, rows that belong to other ranks. Gradients do not need them: the Reducer
// moves those.
//
//   comm::Communicator& c = world.data();
//   STEMMA_RETURN_IF_ERROR(ops::AllReduce(c, loss, comm::Op::kAverage));
//   STEMMA_RETURN_IF_ERROR(ops::Broadcast(c, tensors, /*root=*/0));
//   STEMMA_ASSIGN_OR_RETURN(at::Tensor all, ops::AllGather(c, rows));  // ranks' rows, any number
//   STEMMA_ASSIGN_OR_RETURN(at::Tensor mine, ops::ReduceScatter(c, rows));
//   STEMMA_ASSIGN_OR_RETURN(ops::Rows got, ops::AllToAll(c, rows, {2, 0, 1}));
//
// All ranks of the communicator make the same calls in the same order, never between BeginStep and
// Wait of a Reducer on the same one. They wait: on return the tensor holds the result (on a GPU:
// the current stream waits).
//
// What changes its tensor (AllReduce, Broadcast) wants one that fills its memory without gaps or
// overlap, in any order of dimensions that is the same on all ranks; what returns a new tensor
// takes any and copies what is not contiguous. Results are contiguous.
//
// Errors: kInvalidArgument, on this rank and before anything is sent, for a tensor on another
// device, an element type that cannot be moved or added, a scalar where rows are needed, and splits
// that do not fit. AllGather and AllToAll first tell each other what they hold: element types and
// sizes beyond the first that differ are the same kIncompatible on every rank, by value. AllReduce,
// Broadcast and ReduceScatter compare theirs only with comm.check=full. Thread: the loop's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "comm/world.h"
#include "core/status.h"

namespace stemma::ops {

// In place. `scale` multiplies the result once; the same on all ranks.
Status AllReduce(comm::Communicator& c, const at::Tensor& tensor, comm::Op op = comm::Op::kSum,
                 double scale = 1);

// Returns at once; the Work keeps the tensor alive until it has been waited for. The device, dtype
// and stream of `options` are the tensor's.
Result<comm::Work> AllReduceAsync(comm::Communicator& c, const at::Tensor& tensor,
                                  const comm::CallOptions& options);

// Every rank's tensors become `root`'s. Sizes and dtypes are the same on all ranks. Many small ones
// travel together, in pieces of at most kBroadcastBytesMax; larger ones are not copied.
constexpr int64_t kBroadcastBytesMax = 32 << 20;
Status Broadcast(comm::Communicator& c, const std::vector<at::Tensor>& tensors, int root);
Status Broadcast(comm::Communicator& c, const at::Tensor& tensor, int root);

// The ranks' rows one below the other, in rank order. The first dimension may differ and be 0.
Result<at::Tensor> AllGather(comm::Communicator& c, const at::Tensor& tensor);

// The sum (or average) of the ranks' tensors, of which this rank gets its rows: dim0 / N of them,
// and one more on each of the first dim0 % N ranks.
Result<at::Tensor> ReduceScatter(comm::Communicator& c, const at::Tensor& tensor,
                                 comm::Op op = comm::Op::kSum, double scale = 1);

// splits[r] rows go to rank r, in order. No splits: equal ones, which the first dimension must
// allow. Returns the rows of rank 0, 1, ... one below the other, and how many came from each.
struct Rows {
  at::Tensor data;
  std::vector<int64_t> splits;
};
Result<Rows> AllToAll(comm::Communicator& c, const at::Tensor& tensor,
                      const std::vector<int64_t>& splits = {});
// Splits that were computed: a 1-D tensor of int32 or int64, on any device.
Result<std::vector<int64_t>> SplitsOf(const at::Tensor& splits);

// A World stands for its data communicator, and knows which ranks have no data left
// (ops/reducer.h): kInvalidArgument then, naming them, instead of a wait in vain.
inline Status AllReduce(comm::World& world, const at::Tensor& tensor, comm::Op op = comm::Op::kSum,
                        double scale = 1) {
  STEMMA_RETURN_IF_ERROR(world.CheckNobodyJoined("AllReduce"));
  return AllReduce(world.data(), tensor, op, scale);
}
inline Status Broadcast(comm::World& world, const at::Tensor& tensor, int root) {
  STEMMA_RETURN_IF_ERROR(world.CheckNobodyJoined("Broadcast"));
  return Broadcast(world.data(), tensor, root);
}

}  // namespace stemma::ops
