// Ranks as threads of one process: for tests, where TSAN sees every access, and, with one rank, for
// a world of one. Same interface, same arguments refused, same kernels and so the same bits as
// between processes.
//
// A call leaves its spans in the group and returns. Whoever completes a call, by arriving last,
// carries it out for all, in the order of the calls; no thread is needed beside the ranks', and a
// rank may go on and do something else before it waits. Because the group sees every rank's call,
// it notices what other backends cannot: calls that do not match are kIncompatible on all ranks,
// with what each rank asked for.
//
// Abort ends all ranks of the group, not only this one: they live in one process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/thread_group.h"

namespace stemma::comm {

class ThreadCalls;

// One ThreadCalls per communicator, given to each of its ranks.
std::shared_ptr<ThreadCalls> MakeThreadCalls(std::shared_ptr<ThreadGroup> group);

class ThreadCommunicator final : public Communicator {
 public:
  // Shared: whichever rank ends last leaves it.
  ThreadCommunicator(std::shared_ptr<ThreadCalls> calls, int rank);

  int rank() const override { return rank_; }
  int ranks() const override;
  std::string_view name() const override { return "threads"; }

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

 private:
  const std::shared_ptr<ThreadCalls> calls_;
  const int rank_;
};

}  // namespace stemma::comm
