// The passes on a GPU. Two implementations, chosen when Stemma is built: with --config=cuda
// cuda_passes.cc, otherwise no_cuda_passes.cc, which says how to get one. What includes this is
// compiled alike in both builds.
//
//   STEMMA_RETURN_IF_ERROR(CudaPassesBuilt());      // before the first space is looked at
//   std::unique_ptr<Passes> passes = MakeCudaPasses(space, memory);
//
// The chunk table, the partial sums and the ratios lie in device memory; one launch per pass covers
// the space, whatever the number of its tensors. Per step the host reads one number per tensor, its
// gradient's sum of squares: the report names the tensor that is not finite, and the skip is
// decided on the host.
//
// Thread: the loop's, with the current stream on which gradients are ready.
#pragma once

#include <memory>

#include "core/status.h"
#include "optim/passes.h"
#include "optim/space.h"

namespace stemma::optim {

// kInvalidArgument says what to do when this build has none.
Status CudaPassesBuilt();

// c10::Error when the device has no memory for the tables. REQUIRES: CudaPassesBuilt() is ok.
std::unique_ptr<Passes> MakeCudaPasses(const Space& space, const FlatMemory& memory,
                                       SumExchange* exchange);

}  // namespace stemma::optim
