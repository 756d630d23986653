#include "ops/clip.h"

#include <cmath>
#include <string>
#include <vector>

#include "ops/guard.h"
#include "ops/norm.h"

namespace stemma::ops {
namespace {

Status Invalid(const std::string& text) { return {Code::kInvalidArgument, "ClipNorm: " + text}; }

// Of one tensor's part of the flat gradients; 16-bit floats are widened, which is exact.
double SumOf(const at::Tensor& part, DType dtype) {
  if (dtype == DType::kF32 || dtype == DType::kF64) {
    return SumOfSquares(part.const_data_ptr(), part.numel(), dtype);
  }
  const at::Tensor wide = part.to(at::kFloat);
  return SumOfSquares(wide.const_data_ptr(), wide.numel(), DType::kF32);
}

}  // namespace

Result<double> ClipNorm(Reducer& reducer, double max_norm) {
  if (!(max_norm > 0)) return Invalid("max_norm is " + std::to_string(max_norm));
  if (reducer.shard().ranks > 1) {
    return Invalid(
        "with ops.shard=optimizer a rank has a part of the gradients: set "
        "optim.max_grad_norm");
  }
  double norm = 0;
  STEMMA_RETURN_IF_ERROR(Guard("ClipNorm", [&]() -> Status {
    const Plan& plan = reducer.plan();
    std::vector<double> sums(reducer.parameters().size(), 0);  // in registration order, as optim/
    for (const Slot& slot : plan.slots) {
      const FlatSpace& space = reducer.spaces()[plan.buckets[slot.bucket].segment];
      if (!space.gradients.is_cpu()) return Invalid("gradients on a GPU: set optim.max_grad_norm");
      sums[slot.parameter] = SumOf(space.gradients.narrow(0, slot.offset, slot.count), space.dtype);
      if (std::isfinite(sums[slot.parameter])) continue;
      return Invalid("the gradient of \"" + reducer.parameters()[slot.parameter].name +
                     "\" is not finite");
    }
    double total = 0;
    for (double sum : sums) total += sum;
    norm = std::sqrt(total);
    if (!std::isfinite(norm)) return Invalid("the norm of all gradients is not finite");
    if (norm <= max_norm) return {};
    for (const FlatSpace& space : reducer.spaces())
      at::Tensor(space.gradients).mul_(max_norm / norm);
    return {};
  }));
  return norm;
}

}  // namespace stemma::ops
