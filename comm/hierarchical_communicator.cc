#include "comm/hierarchical_communicator.h"

#include <algorithm>
#include <string>
#include <utility>

#include "comm/arguments.h"
#include "comm/host_segment.h"

namespace stemma::comm {
namespace {

constexpr int64_t kChainBytesMin = 64 << 10;  // below, a walk costs more than it saves

Span Part(const Span& span, int64_t first, int64_t count) {
  const auto offset = static_cast<size_t>(first) * SizeOf(span.dtype);
  return {static_cast<char*>(span.data) + offset, count, span.dtype};
}

Status Finish(Result<Work> work) {
  STEMMA_RETURN_IF_ERROR(work.status());
  return work->Wait();
}

}  // namespace

HierarchicalCommunicator::HierarchicalCommunicator(std::unique_ptr<MpiGroup> world,
                                                   std::unique_ptr<Communicator> node,
                                                   const Layout& layout, const Options& options)
    : world_(std::move(world)),
      node_(std::move(node)),
      options_(options),
      layout_(layout),
      owners_(layout.SmallestNode()),
      verbs_(*world_),
      result_(std::make_unique<std::vector<char>>()),
      thread_(std::make_unique<ProgressThread>()) {
  const int mine = layout.NodeOf(rank()), place = layout.PlaceOf(rank());
  if (node_ == nullptr || place >= owners_) return;
  const int last = static_cast<int>(layout.nodes.size()) - 1;
  const int previous = mine > 0 ? layout.nodes[mine - 1][place] : -1;
  const int next = mine < last ? layout.nodes[mine + 1][place] : -1;
  chain_ = std::make_unique<SumChain>(*world_, previous, next, options.chunk_bytes);
}

HierarchicalCommunicator::~HierarchicalCommunicator() {
  if (node_ != nullptr) node_->Abort({Code::kInvalidArgument, "the communicator is closed"});
  thread_.reset();
  if (!world_->Health().ok()) result_.release();  // MPI may still write there
}

// Carries out `body(waiting)` on the thread, when its turn comes.
template <typename Body>
Result<Work> HierarchicalCommunicator::Launch(std::string_view call, const ConstSpan& span,
                                              const CallOptions& options, Body body) {
  Waiting waiting;
  waiting.deadline = options.deadline.count() > 0 ? options.deadline : options_.deadline;
  waiting.what = Describe(call, {nullptr, span.count, span.dtype}, options);
  return thread_->Launch([waiting, body](const std::atomic<bool>& cancelled) {
    Waiting mine = waiting;
    mine.cancelled = &cancelled;
    return body(mine);
  });
}

Result<Work> HierarchicalCommunicator::AllReduce(Span inout, const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckReduce(inout, options));
  STEMMA_RETURN_IF_ERROR(Health());
  if (inout.count == 0) return Work();
  const bool chain = node_ != nullptr && static_cast<int64_t>(inout.bytes()) >= kChainBytesMin;
  return Launch(
      "all_reduce", {nullptr, inout.count, inout.dtype}, options, [=](const Waiting& waiting) {
        return chain ? Chain(inout, options, waiting) : verbs_.AllReduce(inout, options, waiting);
      });
}

int64_t HierarchicalCommunicator::ElementsPerWalk(const Layout& layout, size_t element_bytes) {
  // An owner holds its share of the elements once for each rank of its node.
  const int64_t owners = layout.SmallestNode();
  const int64_t copies = (layout.LargestNode() + owners - 1) / owners;
  return std::max<int64_t>(1, kSegmentBytesMax / static_cast<int64_t>(element_bytes) / copies);
}

Status HierarchicalCommunicator::Chain(const Span& span, const CallOptions& options,
                                       const Waiting& waiting) {
  const int64_t most = ElementsPerWalk(layout_, SizeOf(span.dtype));
  for (int64_t at = 0; at < span.count; at += most) {
    STEMMA_RETURN_IF_ERROR(
        ChainSegment(Part(span, at, std::min(most, span.count - at)), options, waiting));
  }
  return {};
}

Status HierarchicalCommunicator::ChainSegment(const Span& span, const CallOptions& options,
                                              const Waiting& waiting) {
  const int locals = node_->ranks(), place = node_->rank();
  const size_t size = SizeOf(span.dtype);
  std::vector<int64_t> slices(locals, 0);
  for (int j = 0; j < owners_; ++j) {
    slices[j] = SliceBegin(span.count, j + 1, owners_) - SliceBegin(span.count, j, owners_);
  }
  const int64_t own = slices[place];
  raw_.resize(static_cast<size_t>(own * locals) * size);
  result_->resize(static_cast<size_t>(own) * size);
  const Span raw{raw_.data(), own * locals, span.dtype};
  const ConstSpan mine{result_->data(), own, span.dtype};
  CallOptions inside;
  inside.what = options.what;
  inside.deadline = waiting.deadline;

  // The owners get what their node's ranks have for them, carry it along the nodes, and hand on
  // what came back.
  STEMMA_RETURN_IF_ERROR(Finish(node_->AllToAll({span.data, span.count, span.dtype}, slices, raw,
                                                std::vector<int64_t>(locals, own), inside)));
  if (own > 0) {
    std::vector<const void*> parts;
    for (int r = 0; r < locals; ++r) parts.push_back(Part(raw, r * own, own).data);
    Waiting moving = waiting;
    moving.eager = true;
    STEMMA_RETURN_IF_ERROR(chain_->Reduce(options.op, span.dtype, parts, own,
                                          FactorOf(options, ranks()), result_->data(), moving));
  }
  return Finish(node_->AllGather(mine, span, slices, inside));
}

Result<Work> HierarchicalCommunicator::AllGather(ConstSpan mine, Span all,
                                                 const std::vector<int64_t>& counts,
                                                 const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckGather(mine, all, counts, rank(), ranks()));
  STEMMA_RETURN_IF_ERROR(Health());
  if (all.count == 0) return Work();
  return Launch("all_gather", {nullptr, all.count, all.dtype}, options,
                [=](const Waiting& w) { return verbs_.AllGather(mine, all, counts, w); });
}

Result<Work> HierarchicalCommunicator::ReduceScatter(ConstSpan in, Span mine,
                                                     const std::vector<int64_t>& counts,
                                                     const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckReduceScatter(in, mine, counts, rank(), ranks(), options));
  STEMMA_RETURN_IF_ERROR(Health());
  if (in.count == 0) return Work();
  return Launch("reduce_scatter", in, options, [=](const Waiting& waiting) {
    return verbs_.ReduceScatter(in, mine, counts, options, waiting);
  });
}

Result<Work> HierarchicalCommunicator::AllToAll(ConstSpan in, const std::vector<int64_t>& send,
                                                Span out, const std::vector<int64_t>& receive,
                                                const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckAllToAll(in, send, out, receive, rank(), ranks()));
  STEMMA_RETURN_IF_ERROR(Health());
  return Launch("all_to_all", in, options,
                [=](const Waiting& w) { return verbs_.AllToAll(in, send, out, receive, w); });
}

Result<Work> HierarchicalCommunicator::Broadcast(Span inout, int root, const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckBroadcast(inout, root, ranks()));
  STEMMA_RETURN_IF_ERROR(Health());
  if (inout.count == 0) return Work();
  return Launch("broadcast", {nullptr, inout.count, inout.dtype}, options,
                [=](const Waiting& waiting) {
                  const auto bytes = static_cast<int64_t>(inout.bytes());
                  return world_->Broadcast(inout.data, bytes, root, waiting);
                });
}

Result<Work> HierarchicalCommunicator::Barrier(const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(Health());
  return Launch("barrier", {}, options,
                [this](const Waiting& waiting) { return world_->Barrier(waiting); });
}

Result<std::unique_ptr<Segment>> HierarchicalCommunicator::Allocate(int64_t bytes,
                                                                    std::string_view what) {
  if (node_ == nullptr) return AllocateHost(bytes, what);
  if (bytes < 0) return Status(Code::kInvalidArgument, std::string(what) + ": bytes below zero");
  Result<std::unique_ptr<Segment>> segment = Status(Code::kInternal, "not made");
  const std::string name(what);
  STEMMA_ASSIGN_OR_RETURN(Work made, thread_->Launch([&](const std::atomic<bool>&) -> Status {
    segment = node_->Allocate(bytes, name);
    return {};  // memory that cannot be had does not break the communicator
  }));
  STEMMA_RETURN_IF_ERROR(made.Wait());
  return segment;
}

void HierarchicalCommunicator::Abort(const Status& cause) {
  thread_->Cancel(cause);
  if (node_ != nullptr) node_->Abort(cause);
}

Status HierarchicalCommunicator::Health() const { return thread_->Health(); }

Status HierarchicalCommunicator::Close() {
  const auto close = [this](const std::atomic<bool>&) {
    return node_ != nullptr ? node_->Close() : Status();
  };
  STEMMA_ASSIGN_OR_RETURN(Work last, thread_->Launch(close));
  STEMMA_RETURN_IF_ERROR(last.Wait());  // so that what nobody waited for has ended too
  thread_->Cancel({Code::kInvalidArgument, "the world is closed"});
  return world_->Close();
}

}  // namespace stemma::comm
