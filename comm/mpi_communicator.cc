#include "comm/mpi_communicator.h"

#include <utility>

#include "comm/arguments.h"
#include "comm/flight_recorder.h"
#include "comm/host_segment.h"

namespace stemma::comm {

MpiCommunicator::MpiCommunicator(std::unique_ptr<MpiGroup> group,
                                 std::chrono::milliseconds deadline, int64_t segment_bytes_max)
    : group_(std::move(group)),
      verbs_(*group_, segment_bytes_max),
      deadline_(deadline),
      thread_(std::make_unique<ProgressThread>()) {}

MpiCommunicator::~MpiCommunicator() { StopThread(); }

// Carries out `body(waiting)` on the thread, when its turn comes.
template <typename Body>
Result<Work> MpiCommunicator::Launch(std::string_view call, const ConstSpan& span,
                                     const CallOptions& options, Body body) {
  Waiting waiting;
  waiting.deadline = options.deadline.count() > 0 ? options.deadline : Section::Lengthen(deadline_);
  waiting.what = Describe(call, {nullptr, span.count, span.dtype}, options);
  return thread_->Launch([waiting, body](const std::atomic<bool>& cancelled) {
    Waiting mine = waiting;
    mine.cancelled = &cancelled;
    return body(mine);
  });
}

Result<Work> MpiCommunicator::AllReduce(Span inout, const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckReduce(inout, options));
  STEMMA_RETURN_IF_ERROR(Health());
  if (inout.count == 0) return Work();
  return Launch("all_reduce", {nullptr, inout.count, inout.dtype}, options,
                [=](const Waiting& waiting) { return Sum(inout, options, waiting); });
}

Status MpiCommunicator::Sum(const Span& span, const CallOptions& options, const Waiting& waiting) {
  return verbs_.AllReduce(span, options, waiting);
}

Result<Work> MpiCommunicator::AllGather(ConstSpan mine, Span all,
                                        const std::vector<int64_t>& counts,
                                        const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckGather(mine, all, counts, rank(), ranks()));
  STEMMA_RETURN_IF_ERROR(Health());
  if (all.count == 0) return Work();
  return Launch("all_gather", {nullptr, all.count, all.dtype}, options,
                [=](const Waiting& w) { return verbs_.AllGather(mine, all, counts, w); });
}

Result<Work> MpiCommunicator::ReduceScatter(ConstSpan in, Span mine,
                                            const std::vector<int64_t>& counts,
                                            const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckReduceScatter(in, mine, counts, rank(), ranks(), options));
  STEMMA_RETURN_IF_ERROR(Health());
  if (in.count == 0) return Work();
  return Launch("reduce_scatter", in, options, [=](const Waiting& waiting) {
    return verbs_.ReduceScatter(in, mine, counts, options, waiting);
  });
}

Result<Work> MpiCommunicator::AllToAll(ConstSpan in, const std::vector<int64_t>& send, Span out,
                                       const std::vector<int64_t>& receive,
                                       const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckAllToAll(in, send, out, receive, rank(), ranks()));
  STEMMA_RETURN_IF_ERROR(Health());
  return Launch("all_to_all", in, options,
                [=](const Waiting& w) { return verbs_.AllToAll(in, send, out, receive, w); });
}

Result<Work> MpiCommunicator::Broadcast(Span inout, int root, const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckBroadcast(inout, root, ranks()));
  STEMMA_RETURN_IF_ERROR(Health());
  if (inout.count == 0) return Work();
  return Launch("broadcast", {nullptr, inout.count, inout.dtype}, options,
                [=](const Waiting& waiting) {
                  const auto bytes = static_cast<int64_t>(inout.bytes());
                  return group_->Broadcast(inout.data, bytes, root, waiting);
                });
}

Result<Work> MpiCommunicator::Barrier(const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(Health());
  return Launch("barrier", {}, options,
                [this](const Waiting& waiting) { return group_->Barrier(waiting); });
}

Result<std::unique_ptr<Segment>> MpiCommunicator::Allocate(int64_t bytes, std::string_view what) {
  return AllocateHost(bytes, what);
}

void MpiCommunicator::Abort(const Status& cause) { thread_->Cancel(cause); }

Status MpiCommunicator::Health() const { return thread_->Health(); }

Status MpiCommunicator::Close() {
  STEMMA_ASSIGN_OR_RETURN(
      Work last, thread_->Launch([this](const std::atomic<bool>&) { return CloseParts(); }));
  STEMMA_RETURN_IF_ERROR(last.Wait());  // so that what nobody waited for has ended too
  thread_->Cancel({Code::kInvalidArgument, "the world is closed"});
  return group_->Close();
}

}  // namespace stemma::comm
