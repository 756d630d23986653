#include "models/layers/losses.h"

#include <ATen/ATen.h>

#include <string>

#include "core/check.h"

namespace stemma::models {

at::Tensor SumOfCrossEntropy(const at::Tensor& logits, const at::Tensor& labels, double smoothing) {
  STEMMA_CHECK(smoothing >= 0 && smoothing < 1,
               "a label smoothing of " + std::to_string(smoothing) + " is not in [0, 1)");
  const at::ScalarType type = logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return at::cross_entropy_loss(logits.to(type), labels, {}, at::Reduction::Sum, kIgnoredLabel,
                                smoothing);
}

}  // namespace stemma::models
