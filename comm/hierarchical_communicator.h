// Ranks on several nodes without GPUs: memory that a node's ranks share inside, MPI between nodes.
// The bits are those of a flat sum in rank order, wherever ranks are placed.
//
//   chain of nodes   when every node holds neighbours, node after node (mpirun --map-by slot, Slurm
//                    --distribution=block). The span is cut into slices, one for each rank of the
//                    smallest node. A slice's owner on each node gets its node's contributions
//                    through node memory and carries the running sum along the nodes
//                    (comm/sum_chain.h); the owners of a node then hand the result to its ranks.
//                    Every link between nodes carries each byte once in each direction.
//   raw slices       for any other placement: contributions travel unsummed, as in
//                    comm/mpi_communicator.h. Up to as many times the bytes between nodes as a node
//                    has ranks; rank 0 says so once, and which mapping would do better.
//
// Short sums, and all other calls, are those of comm/mpi_communicator.h: over MPI alone. So is the
// thread that carries out all calls in their order.
//
// The interface and its contract: comm/communicator.h.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "comm/communicator.h"
#include "comm/layout.h"
#include "comm/mpi_communicator.h"
#include "comm/sum_chain.h"

namespace stemma::comm {

class HierarchicalCommunicator final : public MpiCommunicator {
 public:
  // The most memory that an owner has for the contributions of its node's ranks.
  static constexpr int64_t kSegmentBytesMax = 64 << 20;
  // How many elements one walk along the chain carries so that no owner needs more: the same on all
  // ranks, since nodes may differ in size.
  static int64_t ElementsPerWalk(const Layout& layout, size_t element_bytes);

  struct Options {
    std::chrono::milliseconds deadline{150000};
    int64_t chunk_bytes = 256 << 10;  // the same on all ranks
  };
  // `world` has all ranks, `node` those of this rank's node in their order; null, and the raw
  // slices are taken, unless the layout is in rank order.
  HierarchicalCommunicator(std::unique_ptr<MpiGroup> world, std::unique_ptr<Communicator> node,
                           const Layout& layout, const Options& options);
  ~HierarchicalCommunicator() override;

  std::string_view name() const override { return "hierarchical"; }
  // Of the node: collective, waits for the calls under way.
  Result<std::unique_ptr<Segment>> Allocate(int64_t bytes, std::string_view what) override;
  void Abort(const Status& cause) override;

 private:
  Status Sum(const Span& span, const CallOptions& options, const Waiting& waiting) override;
  Status CloseParts() override;
  Status Walk(const Span& span, const CallOptions& options, const Waiting& waiting);

  const std::unique_ptr<Communicator> node_;  // used by the thread alone
  const Layout layout_;
  const int owners_;                 // of slices, on every node
  std::unique_ptr<SumChain> chain_;  // of the owners
  std::vector<char> raw_;            // the thread's, as is
  std::unique_ptr<std::vector<char>> result_;
};

}  // namespace stemma::comm
