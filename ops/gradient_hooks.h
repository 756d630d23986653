// Tells when the gradient of a parameter is complete: a hook behind autograd's gradient
// accumulator, which fires once per parameter per backward, after .grad was written.
//
// The variable holds its accumulator only weakly: without the references kept here it would die,
// and the hook with it, silently. model->to(dtype) gives a parameter a new one: IsCurrent tells.
//
// Owner: the Reducer. Add and IsCurrent: the loop's thread; hooks run on autograd's threads (on CPU
// the thread that called backward).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace torch::autograd {
struct Node;
}  // namespace torch::autograd

namespace stemma::ops {

class GradientHooks {
 public:
  GradientHooks() = default;
  ~GradientHooks();  // removes the hooks
  GradientHooks(const GradientHooks&) = delete;

  // Calls `arrived(n)` for the n-th tensor added. What it throws comes out of backward().
  void Add(const at::Tensor& parameter, const std::function<void(size_t)>& arrived);
  // False when the n-th tensor, `parameter`, no longer uses the accumulator that has our hook. A
  // tensor whose requires_grad is off has none to compare: true.
  bool IsCurrent(size_t n, const at::Tensor& parameter) const;
  void Clear();  // removes the hooks

  // Inside a hook only. The number of the backward() under way; one that runs inside another
  // (reentrant checkpointing) has its own.
  static int CurrentBackward();
  // Calls `ended(nested)` when it has ended. What it throws comes out of backward().
  static void AtItsEnd(std::function<void(bool)> ended);

 private:
  // shared_ptr: autograd's own way to hold an accumulator.
  std::vector<std::pair<std::shared_ptr<torch::autograd::Node>, uintptr_t>> hooks_;
};

}  // namespace stemma::ops
