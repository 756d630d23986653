// The handles behind comm/nccl_communicator.h: one NCCL communicator and the stream it runs on.
// Includes the CUDA and NCCL headers, so only .cc files of comm/ that are built with --config=cuda
// may include it.
#pragma once

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "core/mutex.h"
#include "core/status.h"

namespace stemma::comm {

// An event without timing, which is the cheap kind. Move-only.
class CudaEvent {
 public:
  static Result<CudaEvent> Create();
  CudaEvent(CudaEvent&& other) noexcept : event_(other.event_) { other.event_ = nullptr; }
  CudaEvent& operator=(CudaEvent&&) = delete;
  ~CudaEvent();
  cudaEvent_t get() const { return event_; }

 private:
  explicit CudaEvent(cudaEvent_t event) : event_(event) {}
  cudaEvent_t event_;
};

struct NcclDevice {
  NcclDevice(int rank, int ranks, std::chrono::milliseconds deadline);
  ~NcclDevice();
  NcclDevice(const NcclDevice&) = delete;

  Status Connect(const ncclUniqueId& id);
  // Puts one NCCL call on the stream, behind what `caller` has been given so far; the returned
  // event is its end.
  Result<CudaEvent> Launch(const std::string& what, cudaStream_t caller,
                           std::chrono::milliseconds limit,
                           const std::function<ncclResult_t()>& call);
  // Polls what NCCL left in progress. An error aborts the communicator.
  Status Settle(ncclResult_t result, const std::string& what, std::chrono::milliseconds limit);
  Status Health();
  // The first cause stays; NCCL's kernels are told to give up. Any thread.
  void Fail(const Status& cause);

  const int rank, ranks;
  const std::chrono::milliseconds deadline;
  ncclComm_t comm = nullptr;
  cudaStream_t stream = nullptr;
  void* token = nullptr;  // device memory for barriers

 private:
  mutable Mutex mutex_;
  Status failure_ STEMMA_GUARDED_BY(mutex_);
  bool aborted_ STEMMA_GUARDED_BY(mutex_) = false;
};

}  // namespace stemma::comm
