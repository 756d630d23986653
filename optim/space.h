// An optimizer's view of the reducer's flat memory: which tensor lies where, with which decay and
// whether it gets a trust ratio, and the chunk table that all passes run over.
//
//   STEMMA_ASSIGN_OR_RETURN(std::vector<Space> spaces, MakeSpaces(settings, reducer));
//   at::Tensor m = at::zeros({spaces[0].state_count}, ...);    // chunk.state addresses it
//
// Chunks are counted from each tensor's start, so sums depend neither on buckets nor on ranks.
// When the optimizer is sharded (ops/shard.h), every rank has the whole table, runs its passes over
// `mine`, and keeps state for nothing else; sums per chunk are exchanged (sum_exchange.h). Without
// sharding `mine` is every chunk, and state lies at the parameter's own offset.
//
// Groups are runs of tensors whose state fits a share of the last-level cache: both passes of LAMB
// run over one group before the next, so the second pass finds p and the updates in the cache. A
// tensor is never cut: a large one is a group of its own.
//
// Plain values that hold handles to the reducer's tensors. Thread: the loop's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/status.h"
#include "ops/reducer.h"
#include "optim/settings.h"

namespace stemma::optim {

struct TensorPart {
  size_t parameter = 0;  // registration index
  int64_t offset = 0;    // elements from the start of the space
  int64_t count = 0;
  double decay = 0;       // 0 for excluded roles
  bool adapt = false;     // lamb, lars: gets a trust ratio
  bool excluded = false;  // its role is one of optim.exclude
  int64_t first_chunk = 0, end_chunk = 0;
  size_t bucket = 0;
  // This rank's: elements [first, first + held) of the tensor, whose state begins at `state`.
  int64_t first = 0, held = 0, state = 0;
};

struct ChunkPart {
  int64_t tensor = 0;  // index into Space::tensors
  int64_t offset = 0;  // elements from the start of the space
  int64_t count = 0;   // ops::kChunk, less at a tensor's end
  int64_t state = 0;   // elements from the start of the state arrays; of `mine` only
};

struct Group {
  int64_t first_tensor = 0, end_tensor = 0;
  int64_t first_chunk = 0, end_chunk = 0;  // of Space::mine
  int64_t first = 0, count = 0;            // elements of the state arrays
  bool cached = false;                     // all its state stays in the cache between both passes
  bool keeps_updates = false;              // the first pass of LAMB leaves them to the second
};

struct Space {
  DType dtype = DType::kF32;  // kF32 or kF64
  at::Tensor parameters, gradients;
  std::vector<TensorPart> tensors;             // by offset
  std::vector<ChunkPart> chunks;               // of all ranks, by offset
  std::vector<int64_t> mine;                   // which of them are this rank's, ascending
  std::vector<std::vector<int64_t>> of_ranks;  // sharded: `mine` of every rank; otherwise empty
  std::vector<Group> groups;                   // sharded: one, as all norms are exchanged at once
  int64_t state_count = 0;                     // elements of a state array
};

// In the order of reducer.spaces(). kInvalidArgument names the first parameter that is neither f32
// nor f64, or that lies on a device that optimizers do not run on.
Result<std::vector<Space>> MakeSpaces(const OptimSettings& settings, ops::Reducer& reducer);

// Calls body(chunk index) for every chunk of [begin, end) on LibTorch's threads, each of which goes
// through its part in this order. Sums are kept per chunk, so no result depends on the order, nor
// on how the range is cut. Backwards are runs of chunks, each run forwards: a processor that sees
// 16 KiB at a time going back reads at half the memory's speed.
enum class Order { kForwards, kBackwards };
void ForChunks(int64_t begin, int64_t end, Order order, const std::function<void(int64_t)>& body);

}  // namespace stemma::optim
