#include "core/check.h"
#include "optim/cuda_passes.h"

namespace stemma::optim {

Status CudaPassesBuilt() {
  return {Code::kInvalidArgument,
          "this stemma is built without CUDA: build with --config=cuda, or set device.kind=cpu"};
}

std::unique_ptr<Passes> MakeCudaPasses(const Space&, const FlatMemory&, SumExchange*) {
  STEMMA_CHECK(false, "MakeSpaces refuses parameters on a GPU in this build");
  return nullptr;
}

}  // namespace stemma::optim
