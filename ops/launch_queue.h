// The collective calls of one step, always the same ones in the same order. Readiness decides when
// a call is launched, never which or in what order: so ranks whose backward runs differently still
// meet. What a call does is its BucketHook's business: an all-reduce, a compressed one, a
// reduce-scatter.
//
//   queue.Start(1.0 / samples);
//   while (ready(queue.next())) STEMMA_RETURN_IF_ERROR(queue.Launch(stream));
//   STEMMA_RETURN_IF_ERROR(queue.Wait());
//
// Owner: the Reducer, which also serialises the calls; the world and the hooks outlive it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "core/status.h"
#include "ops/bucket_hook.h"

namespace stemma::ops {

struct Call {
  Bucket bucket;  // averaged buffers and small facts travel like buckets, with hooks of their own
  BucketHook* hook = nullptr;
};

class LaunchQueue {
 public:
  LaunchQueue(comm::Communicator& communicator, std::vector<Call> calls)
      : communicator_(communicator), calls_(std::move(calls)) {}

  // A new step. Every bucket's `scale`. REQUIRES: Wait has returned.
  void Start(double scale);
  size_t next() const { return next_; }  // calls of this step launched so far
  bool done() const { return next_ == calls_.size(); }
  // Launches the next call; `stream` as in CallOptions. When a call cannot be made neither it nor
  // any later one of the step is (they would meet the peers' earlier ones): they are counted only.
  Status Launch(void* stream);
  // A call of this step could not be made: peers that made it wait for this rank.
  bool stuck() const { return stuck_; }
  // Said in this step behind the name of each call: in errors, and where ranks compare their calls.
  void AddNote(const std::string& note);
  // Waits for everything launched and returns the step's first failure.
  Status Wait();
  uint64_t digest() const { return digest_; }  // of what was launched in this step, in order

 private:
  comm::Communicator& communicator_;
  std::vector<Call> calls_;
  std::vector<comm::Work> works_;
  Status failure_;
  std::string note_;
  bool stuck_ = false;
  double scale_ = 1;
  size_t next_ = 0;
  uint64_t digest_ = 0;
};

}  // namespace stemma::ops
