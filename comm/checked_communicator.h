// Any communicator, with proof that all ranks make the same call: comm.check=full. Before a call
// begins, the ranks tell each other what they are about to do, over a Cohort of its own. Where they
// differ nothing is sent, and every rank gets the same kIncompatible that names ranks by value:
//
//   call 7781 "bucket 4": ranks {0,1} all_reduce f32[4096] sum, rank {2} all_gather f32[4096]
//
// Compared are the kind of call, operator, dtype, count or shape (CallOptions::shape), counts of
// all ranks, scale, root, `what`, and for all_to_all what each rank sends against what its peer
// expects. After a difference the communicator is unusable: nobody knows which rank was right.
//
// Two more mistakes are found here that others would suffer from:
//  * A rank that refuses a call (a bad root, no memory) does not leave the others waiting: all get
//    kInvalidArgument with that rank's text, nothing has been sent, and the next call may go on.
//  * Memory that an earlier call, not yet waited for, may still write is refused in the same way.
//    Without the check a tensor that is submitted twice is an error of the caller that nobody sees.
//
// Cost: one small collective per call, before which earlier calls are completed, so that nothing
// overlaps any more. For finding mistakes and for tests; off in production, where nothing wraps the
// communicator and nothing is paid.
//
// Abort does not reach a rank that stands in the comparison: that one waits for the peers' texts
// until the deadline of the cohort, or until the job ends.
//
// Thread: as the communicator inside; a Work may be waited for by any. Owner of what it wraps.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "comm/communicator.h"
#include "core/cohort.h"
#include "core/mutex.h"

namespace stemma::comm {

class CheckedCommunicator final : public Communicator {
 public:
  // `cohort` has the ranks of `inner` and is used by nobody else.
  CheckedCommunicator(std::unique_ptr<Communicator> inner, std::unique_ptr<Cohort> cohort);
  ~CheckedCommunicator() override;

  int rank() const override { return inner_->rank(); }
  int ranks() const override { return inner_->ranks(); }
  std::string_view name() const override { return inner_->name(); }
  bool on_gpu() const override { return inner_->on_gpu(); }

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
  Status Progress() override { return inner_->Progress(); }
  void Abort(const Status& cause) override;
  Status Health() const override;
  Status Close() override;

 private:
  struct Call;  // what this rank is about to do
  struct Item;  // a call under way
  class Pending;

  Status Compare(const Call& call, const CallOptions& options);
  Status Unsubmitted(const Call& call);
  Status Settle();
  template <typename Launch>
  Result<Work> Run(Call call, const CallOptions& options, Launch launch);

  const std::unique_ptr<Communicator> inner_;
  const std::unique_ptr<Cohort> cohort_;
  int64_t sequence_ = 0;
  std::vector<std::shared_ptr<Item>> items_;  // shared with the Works, which may outlive this
  mutable Mutex mutex_;
  Status failure_ STEMMA_GUARDED_BY(mutex_);
};

}  // namespace stemma::comm
