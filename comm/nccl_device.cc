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
  watch_.reset();
  if (token != nullptr) cudaFree(token);
  if (stream != nullptr) cudaStreamDestroy(stream);
}

Status NcclDevice::Prepare() {
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking)));
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaMalloc(&token, sizeof(float))));
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaMemset(token, 0, sizeof(float))));
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaStreamSynchronize(nullptr)));  // `stream` does not wait
  int gpu = 0;
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaGetDevice(&gpu)));
  watch_ =
      std::make_unique<DeadlineWatch>([gpu] { cudaSetDevice(gpu); }, [this] { return Health(); },
                                      [this](const Status& cause) { Fail(cause); });
  return {};
}

Status NcclDevice::Connect(const ncclUniqueId& id) {
  STEMMA_RETURN_IF_ERROR(Prepare());
  return Settle("ncclCommInitRankConfig", deadline, [&] {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    return ncclCommInitRankConfig(&comm, ranks, id, rank, &config);
  });
}

Status NcclDevice::Split(NcclDevice* part) {
  STEMMA_RETURN_IF_ERROR(watch_->Drain());  // NCCL splits only what has nothing under way
  if (part != nullptr) STEMMA_RETURN_IF_ERROR(part->Prepare());
  ncclComm_t made = nullptr;
  STEMMA_RETURN_IF_ERROR(Settle("ncclCommSplit", deadline, [&] {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    const int color = part != nullptr ? 0 : NCCL_SPLIT_NOCOLOR;
    return ncclCommSplit(comm, color, rank, &made, &config);
  }));
  if (part == nullptr) return {};
  return part->Settle("ncclCommSplit, the part", deadline, [&] {
    part->comm = made;
    return ncclInProgress;  // asked until it is not
  });
}

namespace {

// Whether the stream has come to the event.
Result<bool> Reached(const CudaEvent& event) {
  const cudaError_t found = cudaEventQuery(event.get());
  if (found == cudaErrorNotReady) return false;
  STEMMA_RETURN_IF_ERROR(FromCuda(found, "cudaEventQuery"));
  return true;
}

Result<std::shared_ptr<CudaEvent>> SharedEvent() {
  STEMMA_ASSIGN_OR_RETURN(CudaEvent event, CudaEvent::Create());
  return std::make_shared<CudaEvent>(std::move(event));
}

}  // namespace

Result<std::shared_ptr<CudaEvent>> NcclDevice::Launch(const std::string& what, cudaStream_t caller,
                                                      std::chrono::milliseconds limit,
                                                      const std::function<ncclResult_t()>& call) {
  STEMMA_RETURN_IF_ERROR(Health());
  STEMMA_ASSIGN_OR_RETURN(const auto ready, SharedEvent());
  STEMMA_ASSIGN_OR_RETURN(auto done, SharedEvent());
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaEventRecord(ready->get(), caller)));
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaStreamWaitEvent(stream, ready->get(), 0)));
  STEMMA_RETURN_IF_ERROR(Settle(what, limit, call));
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaEventRecord(done->get(), stream)));
  watch_->Add(
      {what, limit, [ready] { return Reached(*ready); }, [done] { return Reached(*done); }});
  return done;
}

Status NcclDevice::Settle(const std::string& what, std::chrono::milliseconds limit,
                          const std::function<ncclResult_t()>& call) {
  const auto until = std::chrono::steady_clock::now() + limit;
  ncclResult_t result = ncclSuccess;
  {
    MutexLock lock(mutex_);
    STEMMA_RETURN_IF_ERROR(failure_);
    result = call();
  }
  while (result == ncclInProgress) {
    if (std::chrono::steady_clock::now() > until) {
      Fail({Code::kTimeout, what + ": NCCL is still at it on rank " + std::to_string(rank) +
                                " of " + std::to_string(ranks) + " after " +
                                std::to_string(limit.count()) + " ms; a rank did not come"});
      return Health();
    }
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    MutexLock lock(mutex_);
    STEMMA_RETURN_IF_ERROR(failure_);
    const ncclResult_t asked = ncclCommGetAsyncError(comm, &result);
    if (asked != ncclSuccess) result = asked;
  }
  if (result != ncclSuccess) Fail(FromNccl(result, what));
  return Health();
}

Status NcclDevice::Health() {
  MutexLock lock(mutex_);
  if (!failure_.ok() || comm == nullptr) return failure_;
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(comm, &state);
  if (asked != ncclSuccess) state = asked;
  if (state == ncclSuccess || state == ncclInProgress) return {};
  FailLocked(FromNccl(state, "an earlier NCCL operation"));
  return failure_;
}

void NcclDevice::Fail(const Status& cause) {
  MutexLock lock(mutex_);
  FailLocked(cause);
}

void NcclDevice::FailLocked(const Status& cause) {
  if (failure_.ok()) failure_ = cause;
  if (comm == nullptr) return;
  ncclCommAbort(comm);
  comm = nullptr;
}

Status NcclDevice::Close() {
  STEMMA_RETURN_IF_ERROR(watch_->Drain());
  STEMMA_RETURN_IF_ERROR(
      Settle("ncclCommFinalize", deadline, [&] { return ncclCommFinalize(comm); }));
  MutexLock lock(mutex_);
  const ncclResult_t result = ncclCommDestroy(comm);
  comm = nullptr;
  failure_ = {Code::kInvalidArgument, "the world is closed"};
  return FromNccl(result, "ncclCommDestroy");
}

}  // namespace stemma::comm
