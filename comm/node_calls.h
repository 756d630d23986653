// The calls that one rank has under way on one node-shared communicator: the state machine that
// carries them out, whoever drives it. Behind comm/node_shared_communicator.h; nobody else includes
// this.
//
// A call takes four steps, and each step takes the calls in their order and the pieces of a call in
// theirs. No step ever waits:
//
//   post     describe the call to the peers             when the ring has room
//   stage    copy a piece to where the peers see it     when a stage is free (memory they do not
//   see) serve    do this rank's share of a piece            when all ranks have posted and staged
//   it retire   take the result, free the stage            when all ranks have served it
//
// Why no more is needed: a rank touches its memory again only when all ranks have served, and a
// rank touches another's memory only between that one's posting and its own serving. A later call
// may be served while an earlier one waits for others to serve.
//
// All steps that are possible are done by whoever comes: the call itself (posting and staging),
// Wait, Progress, and the progress thread if there is one. One at a time: the others see that
// somebody is at work and wait for his news.
//
// Failure: the first one stays, ends all calls of this rank, and is left for the peers.
// Thread: any. Owner: shared by the communicator and its Works, whichever ends last.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "comm/node_channel.h"
#include "comm/node_peers.h"
#include "comm/node_segments.h"
#include "comm/node_verbs.h"
#include "core/mutex.h"
#include "core/status.h"

namespace stemma::comm {

class NodeCalls {
 public:
  NodeCalls(std::shared_ptr<NodePeers> peers, std::unique_ptr<NodeChannel> channel,
            std::shared_ptr<NodeSegments> segments);

  NodePeers& peers() { return *peers_; }
  int ranks() const { return channel_->ranks(); }

  // Returns the call's number. Does not wait.
  Result<uint64_t> Launch(NodeCall&& call);
  // Until the call has been carried out, or it failed and nobody here touches its memory.
  Status Wait(uint64_t number, std::chrono::milliseconds deadline);
  bool Done(uint64_t number) const;
  Status Progress();
  // Carries out what is launched until Stop(): the body of a progress thread.
  void Drive();
  void Stop();

  // Called again and again by whoever waits here; may not call back. Before the first call.
  void SetIdle(std::function<void()> idle) { idle_ = std::move(idle); }
  void Fail(const Status& cause);
  Status Health() const;

 private:
  struct Cursor {
    uint64_t call = 0;
    int64_t piece = 0;
    void NextCall() { *this = {call + 1, 0}; }
  };

  NodeCall& at(uint64_t number) { return *open_[number % open_.size()]; }
  void Append(NodeCall&& call) STEMMA_REQUIRES(mutex_);
  bool Advance(bool serve) STEMMA_REQUIRES(mutex_);
  bool PostNext() STEMMA_REQUIRES(mutex_);
  bool StageNext() STEMMA_REQUIRES(mutex_);
  bool ServeNext() STEMMA_REQUIRES(mutex_);
  bool RetireNext() STEMMA_REQUIRES(mutex_);
  bool MatchNext(NodeCall& call) STEMMA_REQUIRES(mutex_);
  template <typename Body>
  void Unlocked(Body body) STEMMA_REQUIRES(mutex_);
  void FailLocked(const Status& cause) STEMMA_REQUIRES(mutex_);
  Status WaitLocked(uint64_t number, std::chrono::milliseconds deadline) STEMMA_REQUIRES(mutex_);
  bool PeerEnded() STEMMA_REQUIRES(mutex_);
  void LookAround(uint64_t number) STEMMA_REQUIRES(mutex_);
  Status Late(std::chrono::milliseconds deadline) STEMMA_REQUIRES(mutex_);

  const std::shared_ptr<NodePeers> peers_;
  const std::unique_ptr<NodeChannel> channel_;
  const std::shared_ptr<NodeSegments> segments_;
  std::function<void()> idle_;

  mutable Mutex mutex_;
  NodeVerbs verbs_;  // used by who holds the lock, or has set busy_
  // A ring, by number; its size is a power of two and grows. Pointers: a call that is being served
  // without the lock stays where it is.
  std::vector<std::unique_ptr<NodeCall>> open_ STEMMA_GUARDED_BY(mutex_);
  uint64_t launched_ STEMMA_GUARDED_BY(mutex_) = 0;
  uint64_t posted_ STEMMA_GUARDED_BY(mutex_) = 0;
  Cursor stage_ STEMMA_GUARDED_BY(mutex_);
  Cursor serve_ STEMMA_GUARDED_BY(mutex_);
  Cursor retire_ STEMMA_GUARDED_BY(mutex_);
  bool staging_[NodeChannel::kStages] STEMMA_GUARDED_BY(mutex_) = {};  // in use
  bool busy_ STEMMA_GUARDED_BY(mutex_) = false;  // somebody is at work without the lock
  bool stopping_ STEMMA_GUARDED_BY(mutex_) = false;
  Status failure_ STEMMA_GUARDED_BY(mutex_);
  bool driven_ STEMMA_GUARDED_BY(mutex_) = false;  // by a thread, which sleeps on `launches_`
  std::condition_variable_any launches_;
};

}  // namespace stemma::comm
