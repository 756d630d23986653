// What this rank has been doing lately, always on: the last kCalls collective calls, the last
// kPhases things the host was busy with, and what it is busy with now. It answers "why does the job
// hang" after the fact, also for a rank that is stuck or dead, because the entries lie in memory
// that the ranks of a node share (comm/node_board.h). A trace is the same entries, read in time.
//
//   recorder.Enter(Phase::kBackward);  // a few stores, no lock, no system call
//   const uint64_t call = recorder.Enqueued(CallKind::kAllReduce, span.bytes(), "bucket 4");
//   ... recorder.Finished(call, status.ok());
//   recorder.FinishedStep(1200);
//
// One writer at a time per kind (calls: the communicator's caller; phases, sections and steps: the
// loop); any number of readers in any process, also after the writer's death. A reader copies an
// entry and drops it when its sequence number changed meanwhile. Times are nanoseconds of the
// steady clock, which all processes of a node share. Owned by the World; the memory outlives it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "comm/steady_clock.h"

namespace stemma::comm {

enum class Phase : uint8_t {
  kIdle = 0,  // nothing is known: a program that owns its loop and declares no phases
  kStart,     // until the first step
  kData,
  kForward,
  kBackward,
  kWait,  // for buckets
  kOptimizer,
  kCapture,
  kEvaluate,
  kControl,  // control word, loss, agreement
  kEnd,      // after the last step
};
std::string_view NameOf(Phase phase);
// In these the host waits for other ranks; in the others it works by itself.
bool IsWaiting(Phase phase);

enum class CallKind : uint8_t {
  kAllReduce = 1,
  kReduceScatter,
  kAllGather,
  kAllToAll,
  kBroadcast,
  kBarrier
};
std::string_view NameOf(CallKind kind);

enum class Presence : uint8_t {
  kAbsent = 0,  // has not come yet
  kHere,
  kLeft,  // ended by itself: it has said why, or everything was done
};

// What a reader gets.
struct CallRecord {
  uint64_t sequence = 0;  // 1, 2, ... since the world was opened
  CallKind kind = CallKind::kBarrier;
  bool failed = false;
  int64_t step = 0;  // the one under way: 1, 2, ...
  uint64_t bytes = 0;
  int64_t enqueued_ns = 0;
  int64_t done_ns = 0;  // 0: under way
  std::string what;     // "bucket 4 (fc.bias .. fc.weight)"
};

struct PhaseRecord {
  uint64_t sequence = 0;
  Phase phase = Phase::kIdle;
  int64_t step = 0;
  int64_t since_ns = 0;
};

struct HostRecord {
  Presence presence = Presence::kAbsent;
  int rank = 0;  // of the world
  int pid = 0;
  int64_t process_start = 0;  // clock ticks since boot: tells a process from a later one of its pid
  std::string host;
  Phase phase = Phase::kIdle;
  int64_t since_ns = 0;
  int64_t finished_step = -1;
  uint64_t last_call = 0;       // sequence of the newest call
  uint64_t finished_calls = 0;  // whose Wait has returned
  uint64_t pid_space = 0;       // processes of another one cannot be looked at by number
  uint64_t pulse = 0;           // grows with every entry: whether anything moves
  std::string section;          // a declared long section: may take until
  int64_t section_until_ns = 0;
  int64_t clock_offset_ns = 0;  // rank 0's steady clock minus this node's
  std::string group_call;       // which call of a group the host is in now, and
  int64_t group_since_ns = 0;   // since when; 0: in none
};

class FlightRecorder {
 public:
  static constexpr int kCalls = 4096;
  static constexpr int kPhases = 4096;
  static constexpr int kWhatMax = 64;  // longer texts are cut

  // `memory`: kBytes zeroed bytes, aligned to 64, that outlive the recorder.
  static const int64_t kBytes;
  explicit FlightRecorder(void* memory);

  void Arrive(int rank);  // this process, this host, now
  void Leave();           // from here on its end is no surprise
  void SetClockOffset(int64_t nanoseconds);

  void Enter(Phase phase);
  void FinishedStep(int64_t step);  // -1: none yet; the next one is under way from here on
  void BeginSection(std::string_view name, int64_t nanoseconds);
  void EndSection();
  uint64_t Enqueued(CallKind kind, uint64_t bytes, std::string_view what);
  // `done_ns`: when it ended; 0: at this moment.
  void Finished(uint64_t call, bool ok, int64_t done_ns = 0);
  // The host makes a call of a group, or waits for one, until EndGroupCall. Not numbered: ranks
  // make other such calls than their peers. With two threads in such calls the last one is told.
  void BeginGroupCall(std::string_view what);
  void EndGroupCall();

  // For tests that strike at a chosen moment: called by the thread that enters a phase, once that
  // is noted. One for the process; null, and nearly free, at first. Any thread.
  static void SetEnterHook(void (*hook)(Phase phase, int64_t step));

  HostRecord host() const { return ReadHost(&layout_); }
  CallRecord pending() const { return OldestPending(&layout_); }

  // Of any rank's memory, also a dead one's. Records with sequence > `after`, oldest first, at most
  // those that the ring still holds.
  static HostRecord ReadHost(const void* memory);
  static std::vector<CallRecord> ReadCalls(const void* memory, uint64_t after = 0);
  static std::vector<PhaseRecord> ReadPhases(const void* memory, uint64_t after = 0);
  // The oldest call of the last 256 that is under way; sequence 0: none.
  static CallRecord OldestPending(const void* memory);

 private:
  struct Layout;
  void Pulse();
  Layout& layout_;
};

// A long section that is known to be one: until it ends or `seconds` have passed, nobody is
// suspected of hanging, and the deadline of a call made inside it does not begin. A rank that is
// gone is noticed as ever. On all ranks that take part, on the thread that makes the calls.
//
//   const Section section(world.recorder(), "evaluate", 600);
class Section {
 public:
  Section(FlightRecorder& recorder, std::string_view name, double seconds);
  ~Section();
  Section(const Section&) = delete;

  // How long a call waits that this thread makes now: `deadline`, counted from where the longest of
  // the thread's open sections is to end.
  static std::chrono::milliseconds Lengthen(std::chrono::milliseconds deadline);

 private:
  FlightRecorder& recorder_;
  const int64_t outer_until_ns_;
};

}  // namespace stemma::comm
