// The ranks of one node as seen by one of them: who they are, whether they live, and how to wait
// for them without burning a core that they need.
//
//   STEMMA_ASSIGN_OR_RETURN(auto peers, NodePeers::Create(node_cohort, waiting));
//   flag.store(1, release); peers->Ring();             // publish, then wake whoever sleeps
//
//   NodePatience patience(*peers, deadline);           // and on the other side
//   while (true) {
//     patience.Prepare();                              // before looking: what comes after is heard
//     if (flag.load(acquire) != 0) break;
//     if (patience.Rest() == NodePatience::kLate) ...  // spin, then yield, then sleep
//   }
//
// A sleeper lies in a futex on a word of its own, in memory of the node. Ring costs a look at one
// cache line per rank while nobody sleeps. Between publishing and that look there must be a fence,
// or both sides could miss each other; on the publisher's side it would cost more than all the rest
// of a short call. So it is paid by who goes to sleep: membarrier(2) puts a fence into every
// running rank, after which either the publisher sees the sleeper or the sleeper sees what was
// published. Where the kernel has no such membarrier, Ring has the fence. One NodePeers serves all
// communicators of a rank: whatever arrives wakes it.
//
// A process that ended, in whatever way, makes its pidfd readable, also while it is a zombie and
// also when its number has been given to another process; without pidfd_open, its state and its
// start time in /proc say the same. Ranks that are threads of this process live as long as it does.
//
// Thread: any. Owner: shared by the communicators of a rank, whichever ends last frees it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "comm/node_memory.h"
#include "core/cohort.h"
#include "core/status.h"

namespace stemma::comm {

struct NodeWaiting {
  int64_t spin_us = 50;  // awake for so long, and then for as long again yielding the core
  // More ranks than cores: a rank that is awake keeps the one it waits for from running.
  bool crowded = false;
  int first_rank = 0;  // what rank 0 of the node is called in messages
};

class NodePeers {
 public:
  // Collective. kIo, kInvalidArgument: see NodeMemory.
  static Result<std::shared_ptr<NodePeers>> Create(Cohort& node, const NodeWaiting& waiting);
  ~NodePeers();
  NodePeers(const NodePeers&) = delete;

  int rank() const { return memory_->rank(); }
  int ranks() const { return memory_->ranks(); }
  int NameOf(int rank) const { return waiting_.first_rank + rank; }

  // After a store, with release, of what others may wait for.
  void Ring();
  // OK, or kPeerLost that names the first rank found to have ended.
  Status FindLost() const;

 private:
  friend class NodePatience;
  struct Bell;
  struct Life {
    int pid = 0;
    int64_t start = 0;  // see ProcessLife; where there is no pidfd
    int pidfd = -1;
    bool own = false;  // this process
  };
  NodePeers(std::unique_ptr<NodeMemory> memory, const NodeWaiting& waiting);
  Status Meet(Cohort& node);
  bool Lives(const Life& life) const;
  Status ShareFences(Cohort& node);
  void FenceAll();

  const std::unique_ptr<NodeMemory> memory_;
  const NodeWaiting waiting_;
  std::vector<Bell*> bells_;
  std::vector<Life> lives_;
  bool fences_shared_ = false;  // the same on all ranks
};

// One wait of one thread.
class NodePatience {
 public:
  enum Verdict {
    kLookAgain,
    kLookAround,  // so much time has passed that a peer may have died: FindLost()
    kLate,        // the deadline has passed
  };
  NodePatience(NodePeers& peers, std::chrono::milliseconds deadline);
  ~NodePatience() { Unregister(); }
  NodePatience(const NodePatience&) = delete;

  void Prepare();
  Verdict Rest();
  // Something moved: what follows may follow soon. The deadline stays.
  void Again();

 private:
  using Clock = std::chrono::steady_clock;
  void Unregister();
  void Sleep(Clock::duration longest);

  NodePeers& peers_;
  const std::chrono::milliseconds deadline_;
  Clock::time_point begin_, awake_since_, looked_around_;
  // The clock is first read when some looks were in vain.
  bool timed_ = false, timed_awake_ = false;
  int rests_ = 0;
  enum { kSpinning, kYielding, kSleeping } pace_ = kSpinning;
  bool registered_ = false;
  uint32_t word_ = 0;
};

}  // namespace stemma::comm
