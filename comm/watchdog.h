// A thread per rank that notices when the job does not move, or when a rank is gone; says why on
// one screen (comm/verdict.h), once for all ranks; and ends the job. Asleep nearly always.
//
//   Watchdog watchdog(board, {.warn_s = 30, .abort_s = 120, ...});   // before MPI_Init
//   watchdog.ReportInto("stemma-runs/r50/inc-0003");
//
//   a rank of this node ends without a word   verdict at once, exit 75
//   no rank of this node makes progress       after warn_s one warning with the verdict, after
//                                             abort_s verdict, dumps, exit 75
//
// Progress is anything that a flight recorder notes: a step, a call, a phase. A declared Section
// stops the clock; so does a job in which nobody waits and nobody has declared a phase, of which
// nothing can be said. A job that was suspended as a whole starts afresh when it goes on.
//
// It reads the node's board and /proc, makes no collective call and never touches the training; a
// rank of another node is seen by the watchdogs there. The lowest living rank of a node speaks;
// should it be stuck too, another does so three seconds later. A node whose ranks all wait for
// ranks of other nodes gives those five seconds to name the one that is late. What it writes into
// the folder, for which it has ten seconds:
//
//   error.json               the first failure: rank, host, pid, step, phase, call, cause, remedy
//   logs/flight.<rank>.json  what each rank of this node did last, also of a dead or stopped one
//   logs/trace.<rank>.json   while tracing (comm/trace_writer.h)
//
// Owned by the World. Thread: any, but construction and destruction.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "comm/node_board.h"
#include "comm/trace_writer.h"
#include "comm/verdict.h"
#include "core/mutex.h"

namespace stemma::comm {

struct WatchdogOptions {
  double warn_s = 30;    // 0: never
  double abort_s = 120;  // 0: never
  int rank = 0;
  void (*end_job)(int exit_code) = nullptr;  // does not return
};

class Watchdog {
 public:
  // `board` outlives it; its own slot has arrived.
  Watchdog(NodeBoard& board, const WatchdogOptions& options);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;

  // Where error.json and logs/ go, from now on; the folder exists or is about to.
  void ReportInto(const std::string& folder);
  // Without a folder to report into there is no trace. Does not wait for the disk.
  void SetTrace(bool on);

  // A rank of this node has ended without a word: nothing that needs all ranks can succeed.
  bool PeerGone() const { return peer_gone_; }

  // Prints the verdict soon, and goes on. From a signal handler too.
  static void AskForVerdict();

 private:
  struct Peer;
  void Run();
  void Sleep(int milliseconds);
  void FindPeers();
  bool LookForGone();
  void LookAtProgress(int64_t now);
  void EndForStall(int64_t quiet_ns);
  bool IsSpeaker() const;
  bool IsPartial(const std::vector<RankView>& views) const;
  std::vector<RankView> Views() const;
  Life LifeOf(int slot) const;
  Finding Verdict(const std::string& headline) const;
  void EndJob(const std::string& headline, const char* code);
  void WriteReports(const Finding& finding, const char* code);
  std::string folder() const;

  NodeBoard& board_;
  const WatchdogOptions options_;
  const int own_;  // slot
  int wake_ = -1;  // eventfd
  std::atomic<bool> ending_{false};
  std::atomic<bool> peer_gone_{false};
  std::vector<Peer> peers_;
  uint64_t pulse_ = 0, answered_ = 0;
  int64_t moved_ns_ = 0, looked_ns_ = 0;
  bool warned_ = false;

  mutable Mutex mutex_;
  std::string folder_ STEMMA_GUARDED_BY(mutex_);
  TraceWriter trace_;
  std::thread thread_;
};

// Writes what a rank's recorder holds, newest calls last, as one JSON object.
void WriteFlight(const std::string& path, const void* memory);

}  // namespace stemma::comm
