#include "ops/gradient_hooks.h"

#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/graph_task.h>
#include <torch/csrc/autograd/variable.h>

namespace stemma::ops {
namespace {

using torch::autograd::variable_list;

class Arrived final : public torch::autograd::FunctionPostHook {
 public:
  Arrived(size_t n, std::function<void(size_t)> arrived) : n_(n), arrived_(std::move(arrived)) {}
  variable_list operator()(const variable_list& outputs, const variable_list&) override {
    arrived_(n_);
    return outputs;
  }

 private:
  const size_t n_;
  const std::function<void(size_t)> arrived_;
};

}  // namespace

GradientHooks::~GradientHooks() { Clear(); }

void GradientHooks::Clear() {
  for (const auto& [accumulator, key] : hooks_) accumulator->del_post_hook(key);
  hooks_.clear();
}

int GradientHooks::CurrentBackward() { return torch::autograd::get_current_graph_task_id(); }

void GradientHooks::AtItsEnd(std::function<void(bool)> ended) {
  // At the end of a nested one the node that runs it is still being evaluated on this thread.
  torch::autograd::Engine::get_default_engine().queue_callback(
      [ended = std::move(ended)] { ended(torch::autograd::get_current_node() != nullptr); });
}

void GradientHooks::Add(const at::Tensor& parameter, const std::function<void(size_t)>& arrived) {
  auto accumulator = torch::autograd::impl::grad_accumulator(parameter);
  const uintptr_t key =
      accumulator->add_post_hook(std::make_unique<Arrived>(hooks_.size(), arrived));
  hooks_.emplace_back(std::move(accumulator), key);
}

bool GradientHooks::IsCurrent(size_t n, const at::Tensor& parameter) const {
  if (!parameter.requires_grad()) return true;
  return torch::autograd::impl::grad_accumulator(parameter) == hooks_[n].first;
}

}  // namespace stemma::ops
