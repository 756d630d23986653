// The calls that ranks of one process have under way on one communicator. Behind
// comm/thread_communicator.h, which says how it works; nobody else includes this.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/thread_group.h"

namespace stemma::comm {

// What one rank asks for.
struct ThreadCall {
  enum Kind { kReduce, kGather, kScatter, kExchange, kBroadcast, kBarrier };
  Kind kind = kBarrier;
  Span out;                      // or inout
  ConstSpan in;                  // all_gather, reduce_scatter, all_to_all
  std::vector<int64_t> counts;   // all_to_all: send
  std::vector<int64_t> receive;  // all_to_all
  int root = 0;
  CallOptions options;
  std::string name;  // "all_reduce"
};

class ThreadCalls {
 public:
  explicit ThreadCalls(std::shared_ptr<ThreadGroup> group);

  ThreadGroup& group() { return *group_; }
  // Leaves the call; returns its number. Carries out what has become complete.
  Result<int64_t> Arrive(int rank, ThreadCall call);
  // Until call `number` has been carried out, or the group failed and nobody touches its spans.
  Status Wait(int64_t number, std::chrono::milliseconds deadline);
  bool Done(int64_t number);

 private:
  struct Meeting {
    std::vector<ThreadCall> calls;
    std::vector<bool> came;
    int left = 0;
  };
  void CarryOut() STEMMA_REQUIRES(group_->mutex);
  bool Finished(int64_t number) const STEMMA_REQUIRES(group_->mutex) { return number < first_; }

  const std::shared_ptr<ThreadGroup> group_;
  // Guarded by group_->mutex.
  std::deque<Meeting> open_;
  int64_t first_ = 0;  // the number of open_[0]
  std::vector<int64_t> arrivals_;
  bool running_ = false;  // somebody is carrying out open_[0], without the lock
};

}  // namespace stemma::comm
