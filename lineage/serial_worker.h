// A thread that does what it is given, one after the other. It reports by what the given functions
// write; it never acts on its own. It yields to threads that compute (SCHED_BATCH).
//
//   SerialWorker worker;
//   worker.Post([job] { ... });        // any thread; must not throw
//
// The destructor lets the function that runs come to its end, drops those that have not begun, and
// joins.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace stemma::lineage {

class SerialWorker {
 public:
  SerialWorker();
  ~SerialWorker();
  SerialWorker(const SerialWorker&) = delete;
  SerialWorker& operator=(const SerialWorker&) = delete;

  void Post(std::function<void()> work);

 private:
  void Loop();

  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  bool ending_ = false;                      // guarded by mutex_
  std::thread thread_;                       // last: it uses the others
};

}  // namespace stemma::lineage
