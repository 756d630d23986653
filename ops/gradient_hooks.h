// Tells when a gradient of a parameter comes: hooks before and behind autograd's gradient
// accumulator, which runs once per parameter per backward and writes .grad in between.
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

  using Hook = std::function<void(size_t)>;
  // For the n-th tensor added calls `arriving(n)` before its .grad is written, `arrived(n)` after
  // it. What they throw comes out of backward().
  void Add(const at::Tensor& parameter, const Hook& arriving, const Hook& arrived);
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
  struct Hooked {
    std::shared_ptr<torch::autograd::Node> accumulator;  // autograd's own way to hold one
    const void* before;                                  // among its hooks
    uintptr_t behind;
  };
  std::vector<Hooked> hooks_;
};

}  // namespace stemma::ops
