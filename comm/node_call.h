// One collective call in node memory: what a rank asks for, and what is kept of it while it is
// under way. Behind comm/node_calls.h. Thread: as there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/node_channel.h"
#include "comm/node_segments.h"

namespace stemma::comm {

// What a rank asks for.
struct NodeRequest {
  NodeVerb verb = NodeVerb::kBarrier;
  Op op = Op::kSum;
  DType dtype = DType::kU8;
  int64_t count = 0;  // of all ranks' elements; all_to_all: those that this rank sends
  double scale = 1;
  int root = 0;
  const char* in = nullptr;  // all_reduce, broadcast: `out`
  char* out = nullptr;
  const std::vector<int64_t>* counts = nullptr;   // reduce_scatter, all_gather, all_to_all: sent
  const std::vector<int64_t>* receive = nullptr;  // all_to_all
  const CallOptions* options = nullptr;           // for texts
};

// A request while it is under way: what it pointed to is kept here.
struct NodeCall : NodeRequest {
  std::vector<int64_t> counts, receive;
  std::string what, shape;
  NodePlace place = NodePlace::kInline;
  NodeSegments::Place seen;
  int64_t window = 0;  // bytes of a range in one piece
  int64_t own_pieces = 0, pieces = 0;
  bool matched = false, any_staged = false;
  // all_reduce: a slice has `units` units of `unit` bytes, and the first `longer` one more.
  int64_t unit = 0, units = 0, longer = 0;

  void Begin(const NodeRequest& request);
  int64_t element() const { return static_cast<int64_t>(SizeOf(dtype)); }  // bytes
  // all_reduce: slices begin on a cache line, and in large calls on a page, so that no two ranks
  // write to one.
  void CutSlices(int ranks);
  int64_t SliceBegin(int64_t range) const;  // in bytes. REQUIRES: CutSlices was called
};

}  // namespace stemma::comm
