#include "ops/finite.h"

#include <ATen/ops/isfinite.h>

namespace stemma::ops {
namespace {

// x - x is 0 for a finite x and NaN otherwise, and a NaN stays in the sum: no branch per element.
template <typename T>
bool Finite(const T* data, int64_t count) {
  constexpr int64_t kLanes = 16;
  T lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += data[i + lane] - data[i + lane];
  }
  for (; i < count; ++i) lanes[0] += data[i] - data[i];
  T sum = 0;
  for (T lane : lanes) sum += lane;
  return sum == 0;
}

}  // namespace

bool AllFinite(const at::Tensor& tensor) {
  const bool flat = tensor.is_cpu() && tensor.is_non_overlapping_and_dense();
  if (flat && tensor.scalar_type() == at::kFloat) {
    return Finite(tensor.const_data_ptr<float>(), tensor.numel());
  }
  if (flat && tensor.scalar_type() == at::kDouble) {
    return Finite(tensor.const_data_ptr<double>(), tensor.numel());
  }
  return at::isfinite(tensor).all().item<bool>();
}

}  // namespace stemma::ops
