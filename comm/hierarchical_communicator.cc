#include "comm/hierarchical_communicator.h"

#include <algorithm>
#include <string>
#include <utility>

#include "comm/arguments.h"

namespace stemma::comm {
namespace {

constexpr int64_t kChainBytesMin = 64 << 10;  // below, a walk costs more than it saves

Status Finish(Result<Work> work) {
  STEMMA_RETURN_IF_ERROR(work.status());
  return work->Wait();
}

// Buckets of several sizes come by in turn: what was once needed is kept.
void Widen(size_t bytes, std::vector<char>* room) {
  if (room->size() < bytes) room->resize(bytes);
}

}  // namespace

HierarchicalCommunicator::HierarchicalCommunicator(std::unique_ptr<MpiGroup> world,
                                                   std::unique_ptr<Communicator> node,
                                                   const Layout& layout, const Options& options)
    : MpiCommunicator(std::move(world), options.deadline),
      node_(std::move(node)),
      layout_(layout),
      owners_(layout.SmallestNode()),
      result_(std::make_unique<std::vector<char>>()) {
  const int mine = layout.NodeOf(rank()), place = layout.PlaceOf(rank());
  if (node_ == nullptr || place >= owners_) return;
  const int last = static_cast<int>(layout.nodes.size()) - 1;
  const int previous = mine > 0 ? layout.nodes[mine - 1][place] : -1;
  const int next = mine < last ? layout.nodes[mine + 1][place] : -1;
  chain_ = std::make_unique<SumChain>(group(), previous, next, options.chunk_bytes);
}

HierarchicalCommunicator::~HierarchicalCommunicator() {
  if (node_ != nullptr) node_->Abort({Code::kInvalidArgument, "the communicator is closed"});
  StopThread();
  if (!group().Health().ok()) result_.release();  // MPI may still write there
}

int64_t HierarchicalCommunicator::ElementsPerWalk(const Layout& layout, size_t element_bytes) {
  // An owner holds its share of the elements once for each rank of its node.
  const int64_t owners = layout.SmallestNode();
  const int64_t copies = (layout.LargestNode() + owners - 1) / owners;
  return std::max<int64_t>(1, kSegmentBytesMax / static_cast<int64_t>(element_bytes) / copies);
}

Status HierarchicalCommunicator::Sum(const Span& span, const CallOptions& options,
                                     const Waiting& waiting) {
  if (node_ == nullptr || static_cast<int64_t>(span.bytes()) < kChainBytesMin) {
    return MpiCommunicator::Sum(span, options, waiting);
  }
  const int64_t most = ElementsPerWalk(layout_, SizeOf(span.dtype));
  for (int64_t at = 0; at < span.count; at += most) {
    STEMMA_RETURN_IF_ERROR(Walk(Part(span, at, std::min(most, span.count - at)), options, waiting));
  }
  return {};
}

// One walk along the chain.
Status HierarchicalCommunicator::Walk(const Span& span, const CallOptions& options,
                                      const Waiting& waiting) {
  const int locals = node_->ranks(), place = node_->rank();
  const size_t size = SizeOf(span.dtype);
  std::vector<int64_t> slices(locals, 0);
  for (int j = 0; j < owners_; ++j) {
    slices[j] = SliceBegin(span.count, j + 1, owners_) - SliceBegin(span.count, j, owners_);
  }
  const int64_t own = slices[place];
  Widen(static_cast<size_t>(own * locals) * size, &raw_);
  Widen(static_cast<size_t>(own) * size, result_.get());
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

Result<std::unique_ptr<Segment>> HierarchicalCommunicator::Allocate(int64_t bytes,
                                                                    std::string_view what) {
  if (node_ == nullptr) return MpiCommunicator::Allocate(bytes, what);
  if (bytes < 0) return Status(Code::kInvalidArgument, std::string(what) + ": bytes below zero");
  Result<std::unique_ptr<Segment>> segment = Status(Code::kInternal, "not made");
  const std::string name(what);
  STEMMA_ASSIGN_OR_RETURN(Work made, thread().Launch([&](const std::atomic<bool>&) -> Status {
    segment = node_->Allocate(bytes, name);
    return {};  // memory that cannot be had does not break the communicator
  }));
  STEMMA_RETURN_IF_ERROR(made.Wait());
  return segment;
}

void HierarchicalCommunicator::Abort(const Status& cause) {
  MpiCommunicator::Abort(cause);
  if (node_ != nullptr) node_->Abort(cause);
}

Status HierarchicalCommunicator::CloseParts() {
  return node_ != nullptr ? node_->Close() : Status();
}

}  // namespace stemma::comm
