// The sums of a sharded optimizer: every rank makes the rows of its own chunks, and needs those of
// all chunks to add them up, in chunk order, to the sums of whole tensors. So norms, clip divisor,
// the decision to skip and trust ratios have the bits of an optimizer that is not sharded, whatever
// the number of ranks: a sum of the ranks' sums would change with every reshape (OPTIM section 13).
//
//   SumExchange exchange(reducer, space);
//   STEMMA_RETURN_IF_ERROR(exchange.Complete(sums));     // f64 [chunks of the space][columns]
//
// One all-gather of 8 bytes per chunk and column: for ResNet-50's 6,334 chunks 51 KB with one
// column (gradients), 101 KB with two (LAMB's p and u), once each per step.
//
// Owner: the optimizer; reducer and space outlive it. Thread: the loop's. Collective: all ranks
// call Complete alike.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/status.h"
#include "ops/reducer.h"
#include "optim/space.h"

namespace stemma::optim {

class SumExchange {
 public:
  // REQUIRES: the space is sharded. Throws what LibTorch throws.
  SumExchange(ops::Reducer& reducer, const Space& space);

  // `sums` lies where the space does and may be a narrowed view. Throws what LibTorch throws.
  Status Complete(const at::Tensor& sums);

 private:
  ops::Reducer& reducer_;
  std::vector<int64_t> counts_;  // chunks of each rank
  at::Tensor mine_, order_;      // chunk indices: this rank's; all, rank after rank
};

}  // namespace stemma::optim
