#include "comm/gpu.h"

namespace stemma::comm {
namespace {
Status Refuse() {
  return {Code::kInvalidArgument,
          "this stemma is built without CUDA: build with --config=cuda, or set device.kind=cpu"};
}
}  // namespace

Result<Gpu> TakeGpu(int) { return Refuse(); }

Result<Facts> GpuFacts() { return Refuse(); }

Result<std::unique_ptr<Communicator>> MakeGpuCommunicator(Cohort&, std::chrono::milliseconds) {
  return Refuse();
}

Result<std::unique_ptr<Communicator>> SplitGpuCommunicator(Communicator&, int, int) {
  return Refuse();
}

}  // namespace stemma::comm
