#include "comm/thread_communicator.h"

#include <utility>

#include "comm/arguments.h"
#include "comm/flight_recorder.h"
#include "comm/host_segment.h"
#include "comm/thread_calls.h"

namespace stemma::comm {
namespace {

class ThreadWork final : public Work::Impl {
 public:
  ThreadWork(std::shared_ptr<ThreadCalls> calls, int64_t number, std::chrono::milliseconds deadline)
      : calls_(std::move(calls)), number_(number), deadline_(deadline) {}
  Status Wait() override { return calls_->Wait(number_, deadline_); }
  bool Done() const override { return calls_->Done(number_); }

 private:
  const std::shared_ptr<ThreadCalls> calls_;
  const int64_t number_;
  const std::chrono::milliseconds deadline_;
};

Result<Work> Enter(const std::shared_ptr<ThreadCalls>& calls, int rank, ThreadCall call) {
  const bool own = call.options.deadline.count() > 0;
  const auto deadline = own ? call.options.deadline : Section::Lengthen(calls->group().deadline());
  STEMMA_ASSIGN_OR_RETURN(const int64_t number, calls->Arrive(rank, std::move(call)));
  return Work(std::make_unique<ThreadWork>(calls, number, deadline));
}

}  // namespace

std::shared_ptr<ThreadCalls> MakeThreadCalls(std::shared_ptr<ThreadGroup> group) {
  return std::make_shared<ThreadCalls>(std::move(group));
}

ThreadCommunicator::ThreadCommunicator(std::shared_ptr<ThreadCalls> calls, int rank)
    : calls_(std::move(calls)), rank_(rank) {}

int ThreadCommunicator::ranks() const { return calls_->group().ranks(); }

Result<Work> ThreadCommunicator::AllReduce(Span inout, const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckReduce(inout, options));
  STEMMA_RETURN_IF_ERROR(Health());
  if (inout.count == 0) return Work();
  ThreadCall call;
  call.kind = ThreadCall::kReduce;
  call.out = inout;
  call.options = options;
  call.name = "all_reduce";
  return Enter(calls_, rank_, std::move(call));
}

Result<Work> ThreadCommunicator::AllGather(ConstSpan mine, Span all,
                                           const std::vector<int64_t>& counts,
                                           const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckGather(mine, all, counts, rank_, ranks()));
  STEMMA_RETURN_IF_ERROR(Health());
  if (all.count == 0) return Work();
  ThreadCall call;
  call.kind = ThreadCall::kGather;
  call.out = all;
  call.in = mine;
  call.counts = counts;
  call.options = options;
  call.name = "all_gather";
  return Enter(calls_, rank_, std::move(call));
}

Result<Work> ThreadCommunicator::ReduceScatter(ConstSpan in, Span mine,
                                               const std::vector<int64_t>& counts,
                                               const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckReduceScatter(in, mine, counts, rank_, ranks(), options));
  STEMMA_RETURN_IF_ERROR(Health());
  if (in.count == 0) return Work();
  ThreadCall call;
  call.kind = ThreadCall::kScatter;
  call.in = in;
  call.out = mine;
  call.counts = counts;
  call.options = options;
  call.name = "reduce_scatter";
  return Enter(calls_, rank_, std::move(call));
}

Result<Work> ThreadCommunicator::AllToAll(ConstSpan in, const std::vector<int64_t>& send, Span out,
                                          const std::vector<int64_t>& receive,
                                          const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckAllToAll(in, send, out, receive, rank_, ranks()));
  STEMMA_RETURN_IF_ERROR(Health());
  ThreadCall call;  // also with nothing of its own: others may exchange something
  call.kind = ThreadCall::kExchange;
  call.in = in;
  call.out = out;
  call.counts = send;
  call.receive = receive;
  call.options = options;
  call.name = "all_to_all";
  return Enter(calls_, rank_, std::move(call));
}

Result<Work> ThreadCommunicator::Broadcast(Span inout, int root, const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckBroadcast(inout, root, ranks()));
  STEMMA_RETURN_IF_ERROR(Health());
  if (inout.count == 0) return Work();
  ThreadCall call;
  call.kind = ThreadCall::kBroadcast;
  call.out = inout;
  call.root = root;
  call.options = options;
  call.name = "broadcast";
  return Enter(calls_, rank_, std::move(call));
}

Result<Work> ThreadCommunicator::Barrier(const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(Health());
  ThreadCall call;
  call.options = options;
  call.name = "barrier";
  return Enter(calls_, rank_, std::move(call));
}

Result<std::unique_ptr<Segment>> ThreadCommunicator::Allocate(int64_t bytes,
                                                              std::string_view what) {
  return AllocateHost(bytes, what);
}

void ThreadCommunicator::Abort(const Status& cause) { calls_->group().Fail(cause); }

Status ThreadCommunicator::Health() const { return calls_->group().Health(); }

}  // namespace stemma::comm
