// What each collective sends over MPI, and who sums what: the bodies of the calls of
// comm/mpi_communicator.h, which says how they work. They wait, so they run on a progress thread.
//
// Arguments were checked (comm/arguments.h). Thread: one at a time, the group's.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "comm/communicator.h"
#include "comm/mpi_group.h"

namespace stemma::comm {

// `count` elements of `span` from the `first` on.
Span Part(const Span& span, int64_t first, int64_t count);

// Rank r's slice of `count` elements begins here; that of rank r + 1 is its end.
int64_t SliceBegin(int64_t count, int rank, int ranks);

class MpiVerbs {
 public:
  static constexpr int64_t kSmallBytesMax = 16 << 10;  // over all ranks together
  // What is exchanged at once, which bounds the scratch memory.
  static constexpr int64_t kSegmentBytesMax = 256 << 20;

  // `group` outlives this. `segment_bytes_max`: the same on all ranks and at most the default.
  explicit MpiVerbs(MpiGroup& group, int64_t segment_bytes_max = kSegmentBytesMax);
  ~MpiVerbs();
  MpiVerbs(const MpiVerbs&) = delete;

  int rank() const { return group_.rank(); }
  int ranks() const { return group_.ranks(); }

  Status AllReduce(const Span& span, const CallOptions& options, const Waiting& waiting);
  Status AllGather(const ConstSpan& mine, const Span& all, const std::vector<int64_t>& counts,
                   const Waiting& waiting);
  Status ReduceScatter(const ConstSpan& in, const Span& mine, const std::vector<int64_t>& counts,
                       const CallOptions& options, const Waiting& waiting);
  Status AllToAll(const ConstSpan& in, const std::vector<int64_t>& send, const Span& out,
                  const std::vector<int64_t>& receive, const Waiting& waiting);

 private:
  Status ReduceSmall(const Span& span, const CallOptions& options, const Waiting& waiting);
  Status ReduceLarge(const Span& span, const CallOptions& options, const Waiting& waiting);
  Status ReduceSegment(const Span& span, const CallOptions& options, const Waiting& waiting);
  Status ScatterSegments(const ConstSpan& in, const Span& mine, const std::vector<int64_t>& counts,
                         const CallOptions& options, const Waiting& waiting);
  char* Scratch(int64_t bytes);

  MpiGroup& group_;
  const int64_t segment_bytes_max_;
  std::unique_ptr<std::vector<char>> scratch_;  // grows to the largest need and stays
};

}  // namespace stemma::comm
