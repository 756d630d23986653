// train.precision: the forward in bfloat16 or float16 where LibTorch holds that safe (matrix
// products, convolutions), in float32 elsewhere. LibTorch has functions for it and no guard in C++.
//
//   {
//     const AutocastGuard guard(settings);             // nothing with float32
//     loss = workload.Loss(batch, &parts);             // forward and loss
//   }
//   loss.backward();                                   // outside: gradients of float32 are float32
//
// One guard per micro-batch: at its end the 16-bit copies of the weights are forgotten, or the next
// forward would compute with those of before an update. The setting belongs to the thread, so what
// a workload computes in other threads is not covered. Thread: the loop's.
#pragma once

#include <ATen/autocast_mode.h>

#include "models/train/settings.h"

namespace stemma::models {

class AutocastGuard {
 public:
  explicit AutocastGuard(const RunSettings& settings)
      : on_(settings.train.precision != "float32"),
        device_(settings.device.kind == "cuda" ? at::kCUDA : at::kCPU) {
    if (!on_) return;
    was_on_ = at::autocast::is_autocast_enabled(device_);
    was_type_ = at::autocast::get_autocast_dtype(device_);
    was_cached_ = at::autocast::is_autocast_cache_enabled();
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(
        device_, settings.train.precision == "float16" ? at::kHalf : at::kBFloat16);
    at::autocast::set_autocast_cache_enabled(true);
    at::autocast::increment_nesting();
  }
  ~AutocastGuard() {
    if (!on_) return;
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, was_on_);
    at::autocast::set_autocast_dtype(device_, was_type_);
    at::autocast::set_autocast_cache_enabled(was_cached_);
  }
  AutocastGuard(const AutocastGuard&) = delete;
  AutocastGuard& operator=(const AutocastGuard&) = delete;

 private:
  const bool on_;
  const at::DeviceType device_;
  bool was_on_ = false, was_cached_ = true;
  at::ScalarType was_type_ = at::kBFloat16;
};

}  // namespace stemma::models
