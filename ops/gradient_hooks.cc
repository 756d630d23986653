#include "ops/gradient_hooks.h"

#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/graph_task.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <utility>

namespace stemma::ops {
namespace {

using torch::autograd::variable_list;

class Arriving final : public torch::autograd::FunctionPreHook {
 public:
  Arriving(size_t n, GradientHooks::Hook arriving) : n_(n), arriving_(std::move(arriving)) {}
  variable_list operator()(const variable_list& gradients) override {
    arriving_(n_);
    return gradients;
  }

 private:
  const size_t n_;
  const GradientHooks::Hook arriving_;
};

class Arrived final : public torch::autograd::FunctionPostHook {
 public:
  Arrived(size_t n, GradientHooks::Hook arrived) : n_(n), arrived_(std::move(arrived)) {}
  variable_list operator()(const variable_list& outputs, const variable_list&) override {
    arrived_(n_);
    return outputs;
  }

 private:
  const size_t n_;
  const GradientHooks::Hook arrived_;
};

}  // namespace

GradientHooks::~GradientHooks() { Clear(); }

void GradientHooks::Clear() {
  for (const Hooked& hooked : hooks_) {
    hooked.accumulator->del_post_hook(hooked.behind);
    auto& before = hooked.accumulator->pre_hooks();
    before.erase(std::remove_if(before.begin(), before.end(),
                                [&](const auto& hook) { return hook.get() == hooked.before; }),
                 before.end());
  }
  hooks_.clear();
}

int GradientHooks::CurrentBackward() { return torch::autograd::get_current_graph_task_id(); }

void GradientHooks::AtItsEnd(std::function<void(bool)> ended) {
  // At the end of a nested one the node that runs it is still being evaluated on this thread.
  torch::autograd::Engine::get_default_engine().queue_callback(
      [ended = std::move(ended)] { ended(torch::autograd::get_current_node() != nullptr); });
}

void GradientHooks::Add(const at::Tensor& parameter, const Hook& arriving, const Hook& arrived) {
  Hooked hooked;
  hooked.accumulator = torch::autograd::impl::grad_accumulator(parameter);
  auto before = std::make_unique<Arriving>(hooks_.size(), arriving);
  hooked.before = before.get();
  hooked.accumulator->add_pre_hook(std::move(before));
  hooked.behind =
      hooked.accumulator->add_post_hook(std::make_unique<Arrived>(hooks_.size(), arrived));
  hooks_.push_back(std::move(hooked));
}

bool GradientHooks::IsCurrent(size_t n, const at::Tensor& parameter) const {
  if (!parameter.requires_grad()) return true;
  return torch::autograd::impl::grad_accumulator(parameter) == hooks_[n].accumulator;
}

}  // namespace stemma::ops
