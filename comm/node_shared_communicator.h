// Ranks that are processes of one node, or threads of one process, which see one another's memory.
// Nothing is sent: each rank sums its slice straight out of all ranks' memory and writes the result
// into all of it, so N ranks read and write every byte once each, whatever N is.
//
//   STEMMA_ASSIGN_OR_RETURN(auto peers, NodePeers::Create(node, waiting));
//   STEMMA_ASSIGN_OR_RETURN(auto data, NodeSharedCommunicator::Create(node, peers, options));
//   STEMMA_ASSIGN_OR_RETURN(auto buckets, data->Allocate(bytes, "buckets"));  // seen by all
//   STEMMA_ASSIGN_OR_RETURN(Work work, data->AllReduce({buckets->data(), n, DType::kF32}, {}));
//   ... compute; data->Progress() now and then ...
//   STEMMA_RETURN_IF_ERROR(work.Wait());
//
// Any memory may be used in a call. What lies in a Segment of this communicator is worked on in
// place; anything else is copied through staging memory of a fixed size, piece by piece. Ranks may
// differ in that, the bits do not.
//
// Who does a rank's share: with Driver::kHook the rank itself, in Progress() and in every wait;
// with Driver::kThread a thread of the communicator as well. The bits are the same.
//
// Because every rank sees every rank's calls, calls that do not match are kIncompatible on all of
// them, with what each asked for, at no cost. A peer that died is kPeerLost within a second; one
// that gave up leaves its reason, which the others return.
//
// The interface and its contract: comm/communicator.h. The state machine: comm/node_calls.h.
#pragma once

#include <chrono>
#include <memory>
#include <thread>

#include "comm/communicator.h"
#include "comm/node_peers.h"
#include "core/cohort.h"

namespace stemma::comm {

struct NodeCall;
class NodeCalls;
class NodeSegments;

class NodeSharedCommunicator final : public Communicator {
 public:
  enum class Driver { kHook, kThread };
  struct Options {
    std::chrono::milliseconds deadline{150000};
    Driver driver = Driver::kHook;
    int64_t inline_bytes = 512;     // up to here calls travel in the post itself; same on all ranks
    int64_t stage_bytes = 1 << 20;  // of one of the staged pieces; the same on all ranks
  };
  // Collective over the ranks of the node, in the order of their ranks there. `node` is needed only
  // during the call. Errors, the same on all ranks: comm/node_memory.h.
  static Result<std::unique_ptr<NodeSharedCommunicator>> Create(Cohort& node,
                                                                std::shared_ptr<NodePeers> peers,
                                                                const Options& options);
  ~NodeSharedCommunicator() override;

  // Whoever waits here also makes progress there, for peers that may be waiting there first. Before
  // the first call; not in a circle.
  void ServeAlso(const NodeSharedCommunicator& other);

  int rank() const override { return rank_; }
  int ranks() const override { return ranks_; }
  std::string_view name() const override { return "node-shared"; }

  Result<Work> AllReduce(Span inout, const CallOptions& options) override;
  Result<Work> AllGather(ConstSpan mine, Span all, const std::vector<int64_t>& counts,
                         const CallOptions& options) override;
  Result<Work> ReduceScatter(ConstSpan in, Span mine, const std::vector<int64_t>& counts,
                             const CallOptions& options) override;
  Result<Work> AllToAll(ConstSpan in, const std::vector<int64_t>& send, Span out,
                        const std::vector<int64_t>& receive, const CallOptions& options) override;
  Result<Work> Broadcast(Span inout, int root, const CallOptions& options) override;
  Result<Work> Barrier(const CallOptions& options) override;
  // Waits for the calls under way.
  Result<std::unique_ptr<Segment>> Allocate(int64_t bytes, std::string_view what) override;
  Status Progress() override;
  void Abort(const Status& cause) override;
  Status Health() const override;

 private:
  NodeSharedCommunicator(std::shared_ptr<NodeCalls> calls, std::shared_ptr<NodeSegments> segments,
                         int rank, int ranks, const Options& options);
  Result<Work> Launch(NodeCall&& call, const CallOptions& options);

  const std::shared_ptr<NodeCalls> calls_;  // shared with every Work
  const std::shared_ptr<NodeSegments> segments_;
  const int rank_, ranks_;
  const std::chrono::milliseconds deadline_;
  std::thread thread_;
};

}  // namespace stemma::comm
