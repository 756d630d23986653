// Host bytes between processes, over MPI. MPI only moves them: sums are made by comm/reduce_kernels
// in rank order, so their bits are those of every other CPU backend, and f16 and bf16, which MPI
// lacks, are no special case.
//
//   all_reduce   every rank sends slice j to rank j; rank j sums its slice over all ranks, in rank
//                order; the sums are gathered. 2 (N-1)/N of the bytes travel, which is the least.
//                Up to kSmallBytesMax all ranks gather everything and sum it themselves: one
//                exchange instead of two, same order, same bits.
//   reduce_scatter   the same without the gathering, in parts of at most kSegmentBytesMax
//   all_to_all   every pair of ranks exchanges its two blocks
//   all_gather, broadcast, barrier   MPI's own
//
// Calls return at once; a thread of the communicator carries them out in the order of the calls
// (comm/progress_thread.h says why). A large all_reduce first meets at a barrier: a rank that is
// still computing is waited for asleep, bytes on the move are looked after closely.
//
// The interface and its contract: comm/communicator.h.
#pragma once

#include <chrono>
#include <memory>

#include "comm/communicator.h"
#include "comm/mpi_group.h"
#include "comm/mpi_verbs.h"
#include "comm/progress_thread.h"

namespace stemma::comm {

class MpiCommunicator : public Communicator {
 public:
  // `segment_bytes_max`: the same on all ranks and at most the default; tests take small ones.
  MpiCommunicator(std::unique_ptr<MpiGroup> group, std::chrono::milliseconds deadline,
                  int64_t segment_bytes_max = MpiVerbs::kSegmentBytesMax);
  ~MpiCommunicator() override;

  int rank() const override { return group_->rank(); }
  int ranks() const override { return group_->ranks(); }
  std::string_view name() const override { return "mpi"; }

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

 protected:
  // For communicators that know a shorter way for some calls. On the thread: an all_reduce of at
  // least one element; and, when all calls have ended, what is to be closed before the group.
  virtual Status Sum(const Span& span, const CallOptions& options, const Waiting& waiting);
  virtual Status CloseParts() { return {}; }
  // Neither of them is called any more: first in the destructor of who overrides them.
  void StopThread() { thread_.reset(); }

  MpiGroup& group() { return *group_; }
  ProgressThread& thread() { return *thread_; }

 private:
  template <typename Body>
  Result<Work> Launch(std::string_view call, const ConstSpan& span, const CallOptions& options,
                      Body body);

  const std::unique_ptr<MpiGroup> group_;
  MpiVerbs verbs_;  // the thread's
  const std::chrono::milliseconds deadline_;
  std::unique_ptr<ProgressThread> thread_;
};

}  // namespace stemma::comm
