#include "comm/nccl_device.h"

#include <thread>
#include <utility>

#include "comm/cuda_status.h"
#include "comm/nccl_status.h"

namespace stemma::comm {

Result<CudaEvent> CudaEvent::Create() {
  cudaEvent_t event = nullptr;
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming)));
  return CudaEvent(event);
}

CudaEvent::~CudaEvent() {
  if (event_ != nullptr) cudaEventDestroy(event_);
}

NcclDevice::NcclDevice(int my_rank, int all_ranks, std::chrono::milliseconds limit)
    : rank(my_rank), ranks(all_ranks), deadline(limit) {}

NcclDevice::~NcclDevice() {
  Fail({Code::kInvalidArgument, "the communicator is closed"});
  if (token != nullptr) cudaFree(token);
  if (stream != nullptr) cudaStreamDestroy(stream);
}

Status NcclDevice::Connect(const ncclUniqueId& id) {
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking)));
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaMalloc(&token, sizeof(float))));
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaMemset(token, 0, sizeof(float))));
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  const ncclResult_t result = ncclCommInitRankConfig(&comm, ranks, id, rank, &config);
  return Settle(result, "ncclCommInitRankConfig", deadline);
}

Result<CudaEvent> NcclDevice::Launch(const std::string& what, cudaStream_t caller,
                                     std::chrono::milliseconds limit,
                                     const std::function<ncclResult_t()>& call) {
  STEMMA_RETURN_IF_ERROR(Health());
  STEMMA_ASSIGN_OR_RETURN(const CudaEvent ready, CudaEvent::Create());
  STEMMA_ASSIGN_OR_RETURN(CudaEvent done, CudaEvent::Create());
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaEventRecord(ready.get(), caller)));
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaStreamWaitEvent(stream, ready.get(), 0)));
  STEMMA_RETURN_IF_ERROR(Settle(call(), what, limit));
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaEventRecord(done.get(), stream)));
  return done;
}

Status NcclDevice::Settle(ncclResult_t result, const std::string& what,
                          std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (result == ncclInProgress) {
    if (std::chrono::steady_clock::now() > until) {
      Fail({Code::kTimeout, what + ": NCCL is still at it on rank " + std::to_string(rank) +
                                " of " + std::to_string(ranks) + " after " +
                                std::to_string(limit.count()) + " ms; a rank did not come"});
      return Health();
    }
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    const ncclResult_t asked = ncclCommGetAsyncError(comm, &result);
    if (asked != ncclSuccess) result = asked;
  }
  if (result != ncclSuccess) Fail(FromNccl(result, what));
  return Health();
}

Status NcclDevice::Health() {
  {
    MutexLock lock(mutex_);
    if (!failure_.ok() || comm == nullptr) return failure_;
  }
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(comm, &state);
  if (asked != ncclSuccess) state = asked;
  if (state == ncclSuccess || state == ncclInProgress) return {};
  const Status failed = FromNccl(state, "an earlier NCCL operation");
  Fail(failed);
  return failed;
}

void NcclDevice::Fail(const Status& cause) {
  MutexLock lock(mutex_);
  if (failure_.ok()) failure_ = cause;
  if (aborted_ || comm == nullptr) return;
  aborted_ = true;
  ncclCommAbort(comm);
}

}  // namespace stemma::comm
