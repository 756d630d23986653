// A moving average of the parameters (optim.ema_decay), for evaluation: its weights are often
// better than those of any single step.
//
//   average.Start();                 // a copy of the parameters, before the first update
//   average.Follow(t);               // after update t = 1, 2, ...
//
// After update t: a += (1 - d) (p - a) with d = min(ema_decay, (1 + t) / (10 + t)), so that the
// first updates are not remembered for longer than there have been updates. One pass of 12 bytes
// per f32 parameter. On the CPU element by element in the order of the source: the same bits on
// every host; with a sharded optimizer each rank averages its part.
//
// The arrays are state like the moments: "optim/ema/<parameter>" in captures. So
// `stemma slice RUN@ --section optim/ema` takes them out of a state by name, and SwapAverage() of
// the optimizer puts them where a network computes with them.
//
// Owner: the optimizer, whose spaces and arrays outlive it. Thread: the loop's. LibTorch's
// exceptions leave every function.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "optim/space.h"

namespace stemma::optim {

class WeightAverage {
 public:
  // `arrays`: one per space, of its state_count elements.
  WeightAverage(double decay, const std::vector<Space>& spaces, std::vector<at::Tensor> arrays);

  void Start();
  void Follow(int64_t t);
  // Parameters become their averages and averages the parameters: this rank's parts.
  void Swap();

 private:
  // This rank's part of one tensor.
  struct Pair {
    at::Tensor parameters, averages;
  };
  template <typename T>
  void FollowOnHost(size_t space, double rest);

  const double decay_;
  const std::vector<Space>& spaces_;
  const std::vector<at::Tensor> arrays_;
  std::vector<std::vector<Pair>> pairs_;  // [space]
};

// (1 - d) of update t.
double RestOfAverage(double decay, int64_t t);

}  // namespace stemma::optim
