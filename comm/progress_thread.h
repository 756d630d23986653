// One thread that carries out operations strictly in the order in which they were launched. It is
// needed because MPI moves bytes only inside MPI calls: an operation that was posted and left alone
// makes no progress while the training computes. The thread decides nothing and touches only what
// was handed to it; with nothing to do it sleeps on a condition variable and never polls.
//
//   Work work = thread.Launch([=](const std::atomic<bool>& cancelled) { return SumAll(...); });
//   ... compute ...
//   Status status = work.Wait();
//
// The first failure stays: it is what every later operation returns, and what those that were
// waiting in line get. Cancel() makes the running operation stop soon, and all others fail with its
// cause. A Work's Wait needs no deadline of its own: each operation has one, and after the first
// that passes the others return at once.
//
// Thread: Launch from one at a time, Wait, Cancel and Health from any. The Works end before or
// after this object; its destructor fails what has not begun.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <thread>

#include "comm/communicator.h"
#include "core/mutex.h"
#include "core/status.h"

namespace stemma::comm {

class ProgressThread {
 public:
  // Looks at `cancelled` while it waits for peers, and then returns any error.
  using Operation = std::function<Status(const std::atomic<bool>& cancelled)>;

  ProgressThread();
  ~ProgressThread();
  ProgressThread(const ProgressThread&) = delete;

  Result<Work> Launch(Operation operation);
  void Cancel(const Status& cause);
  Status Health() const;

 private:
  struct Item;
  class Pending;
  struct State;
  static void Run(State& state);

  // Shared with every Work, which may outlive this object.
  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace stemma::comm
