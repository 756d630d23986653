#include "comm/gpu.h"

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <utility>

#include "comm/cuda_status.h"
#include "comm/nccl_communicator.h"
#include "comm/nccl_status.h"
#include "comm/world_choice.h"
#include "core/bytes.h"

namespace stemma::comm {

Result<Gpu> TakeGpu(int node_rank) {
  int gpus = 0;
  Status found = FromCuda(cudaGetDeviceCount(&gpus), "cudaGetDeviceCount");
  if (!found.ok()) {
    return Status(Code::kInvalidArgument, "device.kind=cuda: no GPU here: " + found.message() +
                                              "; install a driver, ask the scheduler for GPUs, "
                                              "or set device.kind=cpu");
  }
  STEMMA_ASSIGN_OR_RETURN(const int index, ChooseGpu(node_rank, gpus));
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaSetDevice(index)));
  cudaDeviceProp properties;
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaGetDeviceProperties(&properties, index)));
  return Gpu{index, Hex(std::string_view(properties.uuid.bytes, 16))};
}

Result<Facts> GpuFacts() {
  int runtime = 0, driver = 0, nccl = 0;
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaRuntimeGetVersion(&runtime)));
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaDriverGetVersion(&driver)));
  STEMMA_RETURN_IF_ERROR(FromNccl(ncclGetVersion(&nccl), "ncclGetVersion"));
  return Facts{{"CUDA runtime", std::to_string(runtime)},
               {"CUDA driver", std::to_string(driver)},
               {"NCCL loaded", std::to_string(nccl)},
               {"NCCL compiled", std::to_string(NCCL_VERSION_CODE)}};
}

Result<std::unique_ptr<Communicator>> MakeGpuCommunicator(Cohort& cohort,
                                                          std::chrono::milliseconds deadline) {
  STEMMA_ASSIGN_OR_RETURN(auto nccl, NcclCommunicator::Connect(cohort, deadline));
  return std::unique_ptr<Communicator>(std::move(nccl));
}

Result<std::unique_ptr<Communicator>> SplitGpuCommunicator(Communicator& parent, int place,
                                                           int ranks) {
  STEMMA_ASSIGN_OR_RETURN(auto part, static_cast<NcclCommunicator&>(parent).Split(place, ranks));
  return std::unique_ptr<Communicator>(std::move(part));
}

}  // namespace stemma::comm
