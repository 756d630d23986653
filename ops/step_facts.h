// The small facts that ranks tell each other together with a step's buckets, in calls of their own
// behind the last bucket: who used which parameter (ops.unused = keep_none), and how much each rank
// contributed (ops.divisor = counted | active). Without these settings there are no such calls.
//
// Owner: the Reducer. Functions that are not Status throw what LibTorch throws.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "comm/world.h"
#include "core/status.h"
#include "ops/bucket_hook.h"
#include "ops/launch_queue.h"
#include "ops/settings.h"

namespace stemma::ops {

class StepFacts {
 public:
  // Memory for a plan with `slots` slots. All ranks.
  Status Allocate(const OpsSettings& settings, comm::World& world, size_t slots);
  void AddCalls(std::vector<Call>* calls);

  // This rank's facts, before the calls are launched.
  void Write(const std::vector<uint8_t>& used, double contribution);
  // Everybody's, after the calls have ended. On a GPU the host waits.
  void Read();

  bool tells_use() const { return use_.defined(); }
  bool UsedBySomebody(size_t slot) const { return used_[slot] != 0; }
  // Per rank, of the last Read; empty when the settings do not ask for it.
  const std::vector<double>& contributions() const { return contributions_; }

 private:
  int rank_ = 0;
  at::Tensor use_;    // u8 per slot
  at::Tensor share_;  // f64 per rank: each writes its own element, the others' are 0
  std::vector<uint8_t> used_;
  std::vector<double> contributions_;
  std::unique_ptr<BucketHook> max_, sum_;
};

}  // namespace stemma::ops
