// Deadlines for operations that nobody waits for on the host: kernels of a GPU's stream. A thread
// looks at the oldest operation now and then; when its time is over, or when the library reports an
// error, `fail` is called once with a Status that names it.
//
//   DeadlineWatch watch(setup, health, fail);
//   watch.Add({"all_reduce \"bucket 4\" f32[4096] sum", limit, begun, ended});
//
// Operations end in the order in which they were added, as those of one stream do. An operation's
// time runs from when it could begin on this rank: `begun` (its input is ready) and the ones before
// it have ended. A rank's own slow computation before a call is therefore no time-out.
//
// Thread: Add and Drain from one at a time; the functions given are called from the watch's thread,
// Drain's caller aside. With nothing to watch it sleeps. The destructor ends it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "core/mutex.h"
#include "core/status.h"

namespace stemma::comm {

class DeadlineWatch {
 public:
  using Asked = std::function<Result<bool>()>;
  struct Operation {
    std::string what;
    std::chrono::milliseconds limit{0};
    Asked begun, ended;
  };

  // `setup` runs first on the watch's thread; `health` returns the library's error, if it has one.
  DeadlineWatch(std::function<void()> setup, std::function<Status()> health,
                std::function<void(const Status&)> fail);
  ~DeadlineWatch();
  DeadlineWatch(const DeadlineWatch&) = delete;

  void Add(Operation operation);
  // Until all operations have ended, or the first failure.
  Status Drain();

 private:
  void Run();
  Status Look(Operation& oldest, std::chrono::steady_clock::time_point* since, bool* over);

  const std::function<void()> setup_;
  const std::function<Status()> health_;
  const std::function<void(const Status&)> fail_;
  Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Operation> operations_ STEMMA_GUARDED_BY(mutex_);
  Status failure_ STEMMA_GUARDED_BY(mutex_);
  bool closing_ STEMMA_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace stemma::comm
