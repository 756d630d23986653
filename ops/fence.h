// What an optimizer must wait for before it changes the first byte of a parameter or of its own
// state: a capture that is still copying them. An argument of Optimizer::Step, because an argument
// cannot be forgotten as a call in the loop can; an interface here, because optim/ may not include
// lineage/.
//
//   ops::NoFence nothing_reads;                     // a program without captures
//   STEMMA_RETURN_IF_ERROR(optimizer->Step(step, nothing_reads));
#pragma once

#include "core/status.h"

namespace stemma::ops {

class Fence {
 public:
  virtual ~Fence() = default;
  // Returns when nothing reads the state any more. The loop's thread.
  virtual Status Wait() = 0;
};

// For programs and tests in which nobody captures.
class NoFence final : public Fence {
 public:
  Status Wait() override { return {}; }
};

}  // namespace stemma::ops
