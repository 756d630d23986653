// What this rank has been doing lately, always on: the last kEntries collective calls, and what the
// host is busy with. It answers "why does the job hang" after the fact, also for a rank that is
// stuck or dead, because the entries lie in memory that the ranks of a node share.
//
//   recorder.Enter(Phase::kBackward);                       // a few stores, no lock, no system call
//   const uint64_t id = recorder.Enqueued(kAllReduce, span.bytes(), "bucket 4");
//   ... recorder.Finished(id, status);
//   recorder.FinishedStep(1200);
//
// One writer thread at a time per kind (calls: the communicator's caller; phases and steps: the
// loop). Readers (watchdog, peers) copy entries and drop those whose sequence number changed
// meanwhile. Owned by the World; memory of the node's ranks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stemma::comm {

enum class Phase : uint8_t {
  kIdle = 0,
  kData,
  kForward,
  kBackward,
  kWait,       // for buckets
  kOptimizer,
  kCapture,
  kEvaluate,
  kControl,    // control word, agreement
};
std::string_view NameOf(Phase phase);

enum class CallKind : uint8_t {
  kAllReduce = 1, kReduceScatter, kAllGather, kAllToAll, kBroadcast, kBarrier
};
std::string_view NameOf(CallKind kind);

class FlightRecorder {
 public:
  static constexpr int kEntries = 4096;
  static constexpr int kWhatMax = 40;

  // What a reader gets.
  struct Call {
    uint64_t sequence = 0;  // 1, 2, ... since the world was opened
    CallKind kind = CallKind::kBarrier;
    uint8_t state = 0;      // 1 enqueued, 2 done, 3 failed
    int64_t step = 0;
    uint64_t bytes = 0;
    int64_t enqueued_ns = 0, done_ns = 0;  // steady clock of the node
    std::string what;
  };
  struct Host {
    Phase phase = Phase::kIdle;
    int64_t since_ns = 0;
    int64_t finished_step = -1;
    uint64_t last_call = 0;      // sequence of the newest call
    uint64_t last_done = 0;      // and of the newest one that has ended
    int32_t pid = 0;
    int32_t rank = 0;            // of the world
  };

  // `memory`: BytesNeeded() zeroed bytes, aligned to 64, that outlive the recorder.
  static int64_t BytesNeeded();
  FlightRecorder(void* memory, int rank);

  void Enter(Phase phase);
  void FinishedStep(int64_t step);
  uint64_t Enqueued(CallKind kind, uint64_t bytes, std::string_view what);
  void Finished(uint64_t sequence, bool ok);

  // Of any rank's memory, also a dead one's.
  static Host ReadHost(const void* memory);
  static std::vector<Call> ReadCalls(const void* memory, int newest);  // oldest first

 private:
  struct Layout;
  Layout* const layout_;
};

}  // namespace stemma::comm
