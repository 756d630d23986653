// The collective calls of one step, always the same ones in the same order. Readiness decides when
// a call is launched, never which or in what order: so ranks whose backward runs differently still
// meet.
//
//   queue.Start(1.0 / samples);
//   while (ready(queue.next())) STEMMA_RETURN_IF_ERROR(queue.Launch());
//   STEMMA_RETURN_IF_ERROR(queue.Wait());
//
// No LibTorch. Owner: the Reducer, which also serialises the calls; the world outlives it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "core/status.h"

namespace stemma::ops {

struct Call {
  comm::Span span;
  comm::Op op = comm::Op::kSum;
  std::string what;  // "bucket 4 (layer1.0.bn2.bias .. layer1.0.conv1.weight)"
  std::vector<int64_t>
      counts;  // each rank's part, for a reduce-scatter in place; empty: all-reduce
};

class LaunchQueue {
 public:
  LaunchQueue(comm::Communicator& communicator, std::vector<Call> calls)
      : communicator_(communicator), calls_(std::move(calls)) {}

  // A new step. `scale` multiplies sums, not averages. REQUIRES: Wait has returned.
  void Start(double scale);
  size_t next() const { return next_; }  // calls of this step launched so far
  bool done() const { return next_ == calls_.size(); }
  // Launches the next call; `stream` as in CallOptions. After a failure calls are counted, not
  // made.
  Status Launch(void* stream);
  // Waits for everything launched and returns the step's first failure.
  Status Wait();
  uint64_t digest() const { return digest_; }  // of what was launched in this step, in order

 private:
  Result<comm::Work> ReduceScatter(const Call& call, const comm::CallOptions& options);

  comm::Communicator& communicator_;
  const std::vector<Call> calls_;
  std::vector<comm::Work> works_;
  Status failure_;
  double scale_ = 1;
  size_t next_ = 0;
  uint64_t digest_ = 0;
};

}  // namespace stemma::ops
