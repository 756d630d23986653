// Writes one rank's trace (comm/trace.h) from a thread of its own, so that a slow or full disk
// holds up nobody: who wishes for a trace never waits for it.
//
//   TraceWriter writer(board.mine());
//   writer.Wish(true, "inc-0003/logs/trace.0.json");  // from this moment on
//   writer.Wish(false, {});
//
// A disk error ends the trace until it is wished for anew. Owned by the Watchdog. Thread: any, but
// construction and destruction, which waits for what is still to be written.
#pragma once

#include <atomic>
#include <condition_variable>
#include <string>
#include <thread>

#include "comm/trace.h"
#include "core/mutex.h"

namespace stemma::comm {

class TraceWriter {
 public:
  explicit TraceWriter(const void* memory) : memory_(memory), trace_(memory) {}
  ~TraceWriter();
  TraceWriter(const TraceWriter&) = delete;

  // The same wish again does nothing. The folder of `path` is made when its parent is there.
  void Wish(bool on, const std::string& path);
  // Ends the trace at this moment, for a process that is about to end. Takes the disk's time.
  void End();

 private:
  void Run();
  void CarryOut(bool on, const std::string& path, const Trace::Begin& from);

  const void* const memory_;

  Mutex mutex_;  // never held over disk operations
  std::condition_variable_any changed_;
  bool on_ STEMMA_GUARDED_BY(mutex_) = false;
  bool ending_ STEMMA_GUARDED_BY(mutex_) = false;
  uint64_t wishes_ STEMMA_GUARDED_BY(mutex_) = 0;
  std::string path_ STEMMA_GUARDED_BY(mutex_);
  Trace::Begin from_ STEMMA_GUARDED_BY(mutex_);
  std::thread thread_ STEMMA_GUARDED_BY(mutex_);  // from the first wish on

  Mutex file_mutex_;
  Trace trace_ STEMMA_GUARDED_BY(file_mutex_);
};

}  // namespace stemma::comm
