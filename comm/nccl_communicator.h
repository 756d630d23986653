// Device bytes between GPUs, over NCCL. Only in builds with --config=cuda.
//
// A call never blocks the host. It records an event on the caller's stream, makes the
// communicator's own stream wait for it, and puts the collective there; Work::Wait() makes the
// caller's stream wait for the end of it. So results are ordered like any other work of that
// stream, and the host learns of a peer's failure at the next call, at Wait, or from Health(). A
// thread watches the deadlines of what has been launched (comm/deadline_watch.h): a call that does
// not end aborts the communicator with a kTimeout that names it, and what waited on the GPU goes
// on.
//
// The communicator is made without blocking (blocking=0) and every call that NCCL leaves in
// progress is polled until the deadline: that is how NCCL gets a time-out. After the first error
// the communicator is aborted, because kernels that wait for a lost peer would otherwise spin for
// ever.
//
// All ranks receive the same bits; their order of summation is NCCL's. A scale other than 1 needs a
// floating-point sum or average: it travels inside the collective (ncclRedOpCreatePreMulSum), which
// multiplies every summand before it is added.
//
// The interface and its contract: comm/communicator.h.
#pragma once

#include <chrono>
#include <memory>

#include "comm/communicator.h"
#include "core/cohort.h"
#include "core/status.h"

namespace stemma::comm {

class NcclCommunicator final : public Communicator {
 public:
  // Collective, on the current GPU.
  static Result<std::unique_ptr<NcclCommunicator>> Connect(Cohort& cohort,
                                                           std::chrono::milliseconds deadline);
  ~NcclCommunicator() override;
  // Collective, with nothing under way that a peer could wait for: a communicator of those ranks
  // that have a place in it, `ranks` in all, in the order of their ranks here. Null on the others,
  // whose place is -1.
  Result<std::unique_ptr<NcclCommunicator>> Split(int place, int ranks);

  int rank() const override;
  int ranks() const override;
  std::string_view name() const override { return "nccl"; }
  bool on_gpu() const override { return true; }

  Result<Work> AllReduce(Span inout, const CallOptions& options) override;
  Result<Work> AllGather(ConstSpan mine, Span all, const std::vector<int64_t>& counts,
                         const CallOptions& options) override;
  Result<Work> ReduceScatter(ConstSpan in, Span mine, const std::vector<int64_t>& counts,
                             const CallOptions& options) override;
  Result<Work> AllToAll(ConstSpan in, const std::vector<int64_t>& send, Span out,
                        const std::vector<int64_t>& receive, const CallOptions& options) override;
  Result<Work> Broadcast(Span inout, int root, const CallOptions& options) override;
  Result<Work> Barrier(const CallOptions& options) override;
  Result<std::unique_ptr<Segment>> Allocate(int64_t bytes, std::string_view what) override;
  void Abort(const Status& cause) override;
  Status Health() const override;
  Status Close() override;

 private:
  struct Device;  // ncclComm_t, cudaStream_t
  class Pending;
  explicit NcclCommunicator(std::shared_ptr<Device> device);

  // Shared with every Work, which may outlive this object.
  const std::shared_ptr<Device> device_;
};

}  // namespace stemma::comm
