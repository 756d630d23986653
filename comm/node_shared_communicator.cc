#include "comm/node_shared_communicator.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "comm/arguments.h"
#include "comm/flight_recorder.h"
#include "comm/node_calls.h"
#include "comm/node_cohort.h"

namespace stemma::comm {
namespace {

class NodeWork final : public Work::Impl {
 public:
  NodeWork(std::shared_ptr<NodeCalls> calls, uint64_t number, std::chrono::milliseconds deadline)
      : calls_(std::move(calls)), number_(number), deadline_(deadline) {}
  Status Wait() override { return calls_->Wait(number_, deadline_); }
  bool Done() const override { return calls_->Done(number_); }

 private:
  const std::shared_ptr<NodeCalls> calls_;
  const uint64_t number_;
  const std::chrono::milliseconds deadline_;
};

NodeRequest RequestOf(NodeVerb verb, const ConstSpan& in, void* out, const CallOptions& options) {
  NodeRequest call;
  call.verb = verb;
  call.op = options.op;
  call.dtype = in.dtype;
  call.count = in.count;
  call.in = static_cast<const char*>(in.data);
  call.out = static_cast<char*>(out);
  call.options = &options;
  return call;
}

}  // namespace

Result<std::unique_ptr<NodeSharedCommunicator>> NodeSharedCommunicator::Create(
    Cohort& node, std::shared_ptr<NodePeers> peers, const Options& options) {
  NodeChannel::Sizes sizes;
  sizes.inline_bytes = options.inline_bytes;
  sizes.stage_bytes = std::max<int64_t>(options.stage_bytes, 64 * node.size());
  STEMMA_ASSIGN_OR_RETURN(auto channel, NodeChannel::Create(node, sizes, "calls and staging"));
  auto segments = std::make_shared<NodeSegments>();
  auto calls = std::make_shared<NodeCalls>(std::move(peers), std::move(channel), segments);
  return std::unique_ptr<NodeSharedCommunicator>(new NodeSharedCommunicator(
      std::move(calls), std::move(segments), node.rank(), node.size(), options));
}

NodeSharedCommunicator::NodeSharedCommunicator(std::shared_ptr<NodeCalls> calls,
                                               std::shared_ptr<NodeSegments> segments, int rank,
                                               int ranks, const Options& options)
    : calls_(std::move(calls)),
      segments_(std::move(segments)),
      rank_(rank),
      ranks_(ranks),
      deadline_(options.deadline) {
  if (options.driver == Driver::kThread) thread_ = std::thread([this] { calls_->Drive(); });
}

NodeSharedCommunicator::~NodeSharedCommunicator() {
  calls_->Fail({Code::kInvalidArgument, "the communicator is closed"});
  calls_->Stop();
  if (thread_.joinable()) thread_.join();
}

void NodeSharedCommunicator::ServeAlso(const NodeSharedCommunicator& other) {
  calls_->SetIdle([calls = other.calls_] { calls->Progress().ok(); });
}

Result<Work> NodeSharedCommunicator::Launch(const NodeRequest& call, const CallOptions& options) {
  const auto deadline =
      options.deadline.count() > 0 ? options.deadline : Section::Lengthen(deadline_);
  STEMMA_ASSIGN_OR_RETURN(const uint64_t number, calls_->Launch(call));
  return Work(std::make_unique<NodeWork>(calls_, number, deadline));
}

Result<Work> NodeSharedCommunicator::AllReduce(Span inout, const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckReduce(inout, options));
  if (inout.count == 0) {
    STEMMA_RETURN_IF_ERROR(Health());
    return Work();
  }
  NodeRequest call = RequestOf(NodeVerb::kReduce, Const(inout), inout.data, options);
  call.scale = options.scale;
  return Launch(call, options);
}

Result<Work> NodeSharedCommunicator::ReduceScatter(ConstSpan in, Span mine,
                                                   const std::vector<int64_t>& counts,
                                                   const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckReduceScatter(in, mine, counts, rank_, ranks_, options));
  STEMMA_RETURN_IF_ERROR(Health());
  if (in.count == 0) return Work();
  NodeRequest call = RequestOf(NodeVerb::kScatter, in, mine.data, options);
  call.scale = options.scale;
  call.counts = &counts;
  return Launch(call, options);
}

Result<Work> NodeSharedCommunicator::AllGather(ConstSpan mine, Span all,
                                               const std::vector<int64_t>& counts,
                                               const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckGather(mine, all, counts, rank_, ranks_));
  STEMMA_RETURN_IF_ERROR(Health());
  if (all.count == 0) return Work();
  // `mine` may lie anywhere, also across the places in `all` that others' elements will take.
  char* const begin = static_cast<char*>(all.data);
  char* const own = begin + static_cast<size_t>(BeginOf(counts, rank_)) * SizeOf(all.dtype);
  const auto* const at = static_cast<const char*>(mine.data);
  const bool overlaps = mine.count > 0 && at < begin + all.bytes() && begin < at + mine.bytes();
  if (overlaps && own != at) std::memmove(own, at, mine.bytes());
  NodeRequest call = RequestOf(NodeVerb::kGather, mine, all.data, options);
  if (overlaps) call.in = own;
  call.count = all.count;
  call.counts = &counts;
  return Launch(call, options);
}

Result<Work> NodeSharedCommunicator::AllToAll(ConstSpan in, const std::vector<int64_t>& send,
                                              Span out, const std::vector<int64_t>& receive,
                                              const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckAllToAll(in, send, out, receive, rank_, ranks_));
  NodeRequest call = RequestOf(NodeVerb::kAllToAll, in, out.data, options);
  call.counts = &send;
  call.receive = &receive;
  return Launch(call, options);
}

Result<Work> NodeSharedCommunicator::Broadcast(Span inout, int root, const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckBroadcast(inout, root, ranks_));
  STEMMA_RETURN_IF_ERROR(Health());
  if (inout.count == 0) return Work();
  NodeRequest call = RequestOf(NodeVerb::kBroadcast, Const(inout), inout.data, options);
  call.root = root;
  return Launch(call, options);
}

Result<Work> NodeSharedCommunicator::Barrier(const CallOptions& options) {
  return Launch(RequestOf(NodeVerb::kBarrier, {}, nullptr, options), options);
}

Result<std::unique_ptr<Segment>> NodeSharedCommunicator::Allocate(int64_t bytes,
                                                                  std::string_view what) {
  if (bytes < 0) return Status(Code::kInvalidArgument, std::string(what) + ": bytes below zero");
  NodeCohort self(*this, "allocation");
  return segments_->Allocate(self, bytes, what);
}

Status NodeSharedCommunicator::Progress() { return calls_->Progress(); }

void NodeSharedCommunicator::Abort(const Status& cause) { calls_->Fail(cause); }

Status NodeSharedCommunicator::Health() const { return calls_->Health(); }

}  // namespace stemma::comm
