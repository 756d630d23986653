// A sum that walks along a chain of nodes. Each node adds the contributions of its own ranks to the
// running value that it receives, in rank order, and passes it on; the last one scales it, and the
// result walks back. Since the nodes of the chain hold the ranks in order, the order of additions
// is that of a flat sum over all ranks, and so are the bits, wherever the nodes begin and end.
//
//   SumChain chain(group, previous, next, chunk_bytes);     // -1: this is the first, the last
//   chain.Reduce(op, dtype, {own rank 4, own rank 5}, count, factor, out, waiting);
//
// The running value is exact to the flat sum's accumulator: f32 for f16 and bf16, the dtype itself
// otherwise. It travels in chunks, so that all nodes work at the same time: a chunk is added up and
// sent while the next is on its way, and results are passed back in between.
//
// Thread: the group's, one at a time. Failure: that of the group; its memory stays then, because
// MPI may still write there.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "comm/communicator.h"
#include "comm/mpi_group.h"

namespace stemma::comm {

class SumChain {
 public:
  // `previous` and `next` are ranks of `group`, which outlives this, or -1.
  SumChain(MpiGroup& group, int previous, int next, int64_t chunk_bytes);
  ~SumChain();
  SumChain(const SumChain&) = delete;

  // Every rank of the chain calls this with the same op, dtype, count and factor. `parts` are the
  // contributions of this node in rank order, `count` elements each; `out` is apart from them.
  Status Reduce(Op op, DType dtype, const std::vector<const void*>& parts, int64_t count,
                double factor, void* out, const Waiting& waiting);

 private:
  struct Job;  // one Reduce
  Status Forth(Job& job, int64_t chunk);
  Status Back(Job& job, bool wait);
  void Add(const Job& job, int64_t first, int64_t n);

  MpiGroup& group_;
  const int previous_, next_;
  const int64_t chunk_bytes_;
  std::unique_ptr<std::vector<char>> running_;  // of the accumulator's type
  std::vector<float> wide_;                     // one chunk of every part, widened
};

}  // namespace stemma::comm
