// What the ranks of one communicator share in node memory: for each rank a ring of its posted
// calls, three counters that only grow, staging memory, and a place for the reason why it gave up.
// No collective algorithm: comm/node_calls.h knows those.
//
// Calls have numbers, 0, 1, 2, ..., the same on all ranks because all make the same calls in the
// same order. Counters hold positions in that sequence (a call's number and a piece of it) and
// never flags, so that nothing must ever be reset. Each lies on a cache line of its own that one
// rank writes. A posted call is one cache line plus what its verb needs beyond that: its number is
// stored last, so a peer that sees the number sees the rest.
//
//   rank r writes     when                                            peers may then
//   posted(call)      its call is described, short payloads inline    compare the calls, read it
//   staged            a piece lies in its staging memory              read the piece
//   served            it has done its share of a piece                use the result, reuse inputs
//   retired           it needs nothing of a piece any more            reuse staging memory; of a
//                                                                     call: reuse its ring slot
//
// Stores release what was written before, and loads acquire it.
//
// Thread: the caller sees to it that one thread at a time writes for a rank; ended() from any.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/node_memory.h"
#include "core/cohort.h"
#include "core/status.h"

namespace stemma::comm {

enum class NodeVerb : uint8_t { kReduce = 1, kScatter, kGather, kBroadcast, kAllToAll, kBarrier };

// Where a rank's data of a call lie for its peers.
enum class NodePlace : uint8_t { kInline = 1, kStaged, kSegment };

// One posted call, as peers see it.
struct alignas(64) NodePost {
  std::atomic<uint64_t> number;  // of the call, plus one; stored last
  // These four words are the same on all ranks, or the calls do not match.
  int64_t count;
  double scale;
  uint64_t kind;    // verb, operator, dtype, root
  uint64_t detail;  // digest of the counts that must be equal
  int64_t offset;   // in `segment`
  uint32_t segment;
  NodePlace place;
  uint8_t what_bytes, shape_bytes;
  uint8_t unused;
  char close[8];             // an inline payload of up to 8 bytes: one line carries it all
  char what[40], shape[24];  // for texts; cut off
  // Here follow counts (two per rank) and an inline payload of more than 8 bytes.

  int64_t* counts() { return reinterpret_cast<int64_t*>(this + 1); }
  const int64_t* counts() const { return reinterpret_cast<const int64_t*>(this + 1); }
};

static_assert(sizeof(NodePost) == 128);

// Position in the sequence of calls: piece `pieces` of call `call` and all before are done.
inline uint64_t NodePosition(uint64_t call, int64_t pieces) {
  return call << 24 | static_cast<uint64_t>(pieces);
}

class NodeChannel {
 public:
  static constexpr uint64_t kRing = 64;  // calls that a rank may be ahead of the slowest
  static constexpr int kStages = 4;      // pieces in staging memory at once

  struct Sizes {
    int64_t inline_bytes = 512;     // the same on all ranks, as is
    int64_t stage_bytes = 1 << 20;  // one piece in staging memory
  };
  // Collective. The errors of NodeMemory.
  static Result<std::unique_ptr<NodeChannel>> Create(Cohort& node, const Sizes& sizes,
                                                     std::string_view what);

  int rank() const { return rank_; }
  int ranks() const { return ranks_; }
  const Sizes& sizes() const { return sizes_; }

  // This rank's ring slot, to be filled in; Post() lets the peers see it. REQUIRES: HasRoom(call)
  bool HasRoom(uint64_t call);
  NodePost& slot(int rank, uint64_t call) const {
    return *reinterpret_cast<NodePost*>(rings_[rank] + call % kRing * slot_bytes_);
  }
  // Asks for the cache lines of a slot before they are written: its readers have copies of them.
  // `bytes`: of the payload that is expected.
  void Warm(uint64_t call, int64_t bytes) const {
    NodePost& post = slot(rank(), call);
    WarmLine(&post);
    if (bytes <= static_cast<int64_t>(sizeof post.close)) return;
    bytes = std::min(bytes, sizes_.inline_bytes);
    for (int64_t at = 0; at < bytes; at += kLine) WarmLine(payload(post, bytes) + at);
  }
  void Post(uint64_t call) { slot(rank(), call).number.store(call + 1, std::memory_order_release); }
  bool Posted(int rank, uint64_t call) const {
    return slot(rank, call).number.load(std::memory_order_acquire) == call + 1;
  }
  char* payload(NodePost& post, int64_t bytes) const {
    return bytes <= static_cast<int64_t>(sizeof post.close)
               ? post.close
               : reinterpret_cast<char*>(&post) + payload_at_;
  }

  void SetStaged(uint64_t position) { Set(states_[rank()]->staged, position); }
  void SetServed(uint64_t position) { Set(states_[rank()]->served, position); }
  void SetRetired(uint64_t position) { Set(states_[rank()]->retired, position); }
  uint64_t staged(int rank) const { return Get(states_[rank]->staged); }
  uint64_t served(int rank) const { return Get(states_[rank]->served); }
  uint64_t retired(int rank) const { return Get(states_[rank]->retired); }

  // Pieces take the stages in turn. What a rank gives to the others lies in stage(), the sums that
  // it made for them in sums(), which is as long as one rank's share of a piece.
  static uint64_t StageOf(uint64_t call, int64_t piece) {
    return (call + static_cast<uint64_t>(piece)) % kStages;
  }
  char* stage(int rank, uint64_t call, int64_t piece) const {
    return stages_[rank] + static_cast<int64_t>(StageOf(call, piece)) * sizes_.stage_bytes;
  }
  char* sums(int rank, uint64_t call, int64_t piece) const {
    const int64_t share = sizes_.stage_bytes / ranks() / 64 * 64;
    return stages_[rank] + kStages * sizes_.stage_bytes +
           static_cast<int64_t>(StageOf(call, piece)) * share;
  }

  // Leaves the reason for the peers; the first stays.
  void SetEnded(const Status& cause);
  bool ended(int rank) const { return states_[rank]->ended.load() == 2; }
  Status EndedWith(int rank) const;  // REQUIRES: ended(rank)

 private:
  static constexpr int kCauseBytes = 1024;
  static constexpr int64_t kLine = 64;
  // One rank's counters and last words.
  struct State {
    alignas(64) std::atomic<uint64_t> staged;
    alignas(64) std::atomic<uint64_t> served;
    alignas(64) std::atomic<uint64_t> retired;
    alignas(64) std::atomic<uint32_t> ended;  // 1: being written, 2: to be read
    Code code;
    uint32_t cause_bytes;
    char cause[kCauseBytes];
  };

  NodeChannel(std::unique_ptr<NodeMemory> memory, const Sizes& sizes);
  static void WarmLine(const void* line) {
#if defined(__x86_64__)
    asm volatile("prefetchw %0" ::"m"(*static_cast<const char*>(line)));
#else
    __builtin_prefetch(line, 1);
#endif
  }
  static void Set(std::atomic<uint64_t>& counter, uint64_t position) {
    counter.store(position, std::memory_order_release);
  }
  static uint64_t Get(const std::atomic<uint64_t>& counter) {
    return counter.load(std::memory_order_acquire);
  }

  const std::unique_ptr<NodeMemory> memory_;
  const int rank_, ranks_;
  const Sizes sizes_;
  const int64_t payload_at_;  // in a slot; on a cache line of its own
  const int64_t slot_bytes_;
  std::vector<State*> states_;
  std::vector<char*> rings_, stages_;
  uint64_t oldest_ = 0;  // all ranks had retired the calls before it when last looked
};

}  // namespace stemma::comm
