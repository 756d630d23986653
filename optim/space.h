// An optimizer's view of the reducer's flat memory: which tensor lies where, with which decay and
// whether it gets a trust ratio, and the chunk table that all passes run over.
//
//   STEMMA_ASSIGN_OR_RETURN(std::vector<Space> spaces, MakeSpaces(settings, reducer));
//   at::Tensor m = at::zeros_like(spaces[0].parameters);    // the same offsets address it
//
// Chunks are counted from each tensor's start, so sums depend neither on buckets nor on ranks.
// Groups are runs of tensors whose state fits a share of the last-level cache: both passes of LAMB
// run over one group before the next, so the second pass finds p, m and v in the cache.
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
  double decay = 0;    // 0 for excluded roles
  bool adapt = false;  // lamb: gets a trust ratio
  int64_t first_chunk = 0, end_chunk = 0;
};

struct ChunkPart {
  int64_t tensor = 0;  // index into Space::tensors
  int64_t offset = 0;  // elements from the start of the space
  int64_t count = 0;   // ops::kChunk, less at a tensor's end
};

struct Group {
  int64_t first_tensor = 0, end_tensor = 0;
  int64_t first_chunk = 0, end_chunk = 0;
};

struct Space {
  DType dtype = DType::kF32;  // kF32 or kF64
  at::Tensor parameters, gradients;
  std::vector<TensorPart> tensors;  // by offset
  std::vector<ChunkPart> chunks;
  std::vector<Group> groups;
};

// In the order of reducer.spaces(). kInvalidArgument names the first parameter that is neither f32
// nor f64, or that lies on a device that optimizers do not run on.
Result<std::vector<Space>> MakeSpaces(const OptimSettings& settings, ops::Reducer& reducer);

// Calls body(chunk index) for every chunk of [begin, end) on LibTorch's threads. Sums are kept per
// chunk, so no result depends on how the range is cut.
void ForChunks(int64_t begin, int64_t end, const std::function<void(int64_t)>& body);

}  // namespace stemma::optim
