// Which gradients of a step have arrived: when is a bucket full, and did backward() run as often as
// announced?
//
// A parameter is complete when it got its gradients of all announced micro-batches. It usually gets
// one per backward(), also when the model uses it twice; a parameter inside segments that are
// checkpointed with reentrant backwards gets one per segment. How many is learned in the first
// step, in which nothing is full before Close: that decides when a bucket is launched, never which
// or in what order, so ranks need not agree on it.
//
//   arrivals.Open(k, trainable);
//   // On each gradient: arrivals.Count(slot, name).
//   // At the end of each backward(), while learning(): arrivals.BackwardEnded(nested).
//   STEMMA_RETURN_IF_ERROR(arrivals.Check());     // fewer backwards than announced
//   arrivals.Close();                             // what did not arrive counts as zero
//   arrivals.Learn();                             // the step went well
//
// No LibTorch. Owner: the Reducer, which serialises the calls.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "ops/plan.h"

namespace stemma::ops {

class Arrivals {
 public:
  explicit Arrivals(const Plan& plan);

  // A new step; slots that are not `trainable` now are complete from the start.
  void Open(int micro_batches, const std::vector<bool>& trainable);
  // One gradient of `slot`, which is called `name`. kInvalidArgument: more than announced, or of a
  // slot that was not trainable in Open: nobody waits for it, so its bucket may be under way.
  Status Count(size_t slot, const std::string& name);
  // Only while learning(): a backward() has ended; `nested`: one that another one ran.
  // kInvalidArgument: more than announced.
  Status BackwardEnded(bool nested);
  // kInvalidArgument: backward() ran, but not as often as announced.
  Status Check() const;
  // Every bucket is full from now on.
  void Close();
  // The step went well: what was learned in it holds from now on.
  void Learn();

  bool learning() const { return learning_; }
  // In the learned step a backward() ran inside another: forwards run again during backward, so
  // armed() does not say that the last one has ended.
  bool nests() const { return nests_; }
  bool begun() const { return announced_ > 0; }  // Open was called
  // Some parameter is complete, so the last forward() has ended, unless nests().
  bool armed() const { return armed_; }
  bool Full(size_t bucket) const { return missing_[bucket] == 0; }
  bool Used(size_t slot) const { return arrived_[slot] > 0; }

 private:
  std::string Announced() const;

  const std::vector<size_t> bucket_of_;  // per slot
  const size_t buckets_;
  std::vector<bool> trainable_;  // per slot, in this step
  std::vector<int> expected_;    // per slot: gradients per backward()
  std::vector<int> arrived_;     // per slot, in this step
  std::vector<size_t> missing_;  // per bucket: slots that are not complete
  int announced_ = 0;
  int backwards_ = 0;  // ended in this step; counted while learning
  bool learning_ = true, nested_ = false, nests_ = false, armed_ = false;
};

}  // namespace stemma::ops
