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

#include "comm/deadline_watch.h"
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
  // Collective over the ranks of this one: `part` becomes the communicator of those that have one.
  Status Split(NcclDevice* part);
  // Puts one NCCL call on the stream, behind what `caller` has been given so far; the returned
  // event is its end. The watch aborts the communicator when it does not end within `limit`.
  Result<std::shared_ptr<CudaEvent>> Launch(const std::string& what, cudaStream_t caller,
                                            std::chrono::milliseconds limit,
                                            const std::function<ncclResult_t()>& call);
  // Makes one NCCL call and polls what it left in progress. An error aborts the communicator.
  Status Settle(const std::string& what, std::chrono::milliseconds limit,
                const std::function<ncclResult_t()>& call);
  Status Health();
  // The first cause stays; NCCL's kernels are told to give up. Any thread.
  void Fail(const Status& cause);
  // Collective: completes what is under way, then frees the communicator.
  Status Close();

  const int rank, ranks;
  const std::chrono::milliseconds deadline;
  ncclComm_t comm = nullptr;  // used under the lock: whoever aborts frees it
  cudaStream_t stream = nullptr;
  void* token = nullptr;  // device memory for barriers

 private:
  Status Prepare();
  void FailLocked(const Status& cause) STEMMA_REQUIRES(mutex_);

  mutable Mutex mutex_;
  Status failure_ STEMMA_GUARDED_BY(mutex_);
  std::unique_ptr<DeadlineWatch> watch_;  // ends first
};

}  // namespace stemma::comm
