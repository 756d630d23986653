// Zeroes the flat gradients of a step as late as it can. A large gradient becomes zero right before
// autograd adds the step's first contribution, so that what is added to lies in the cache: that
// saves reading and writing it once more, 8 bytes per f32 element. Small ones and the padding
// become zero when the step begins, in few long fills.
//
//   zeros.Begin(/*late=*/true);
//   if (!zeros.BeforeFirst(slot)) ...     // a gradient of the slot is about to arrive
//   zeros.Rest()                          // slots to which nothing came: before they are reduced
//
// Until then a large .grad holds the result of the step before. Whoever writes there by hand before
// the first contribution is found by the tensor's version: values that are not all zero are left
// as they are and the caller is told, because nobody can say whether they were added to old ones.
//
// Owner: the Reducer, which serialises the calls. Throws what LibTorch throws.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "ops/plan.h"
#include "ops/reducer.h"

namespace stemma::ops {

class LateZeros {
 public:
  // From this size on a gradient waits for its first contribution.
  static constexpr int64_t kLargeBytes = 64 * 1024;

  // `gradients`: per slot of the plan, the tensor that .grad is.
  LateZeros(const Plan& plan, const std::vector<FlatSpace>& spaces,
            std::vector<at::Tensor> gradients);

  // A step begins; not `late`: everything becomes zero now.
  void Begin(bool late);
  // False, and nothing changed: the gradient was written to since Begin, and not with zeros.
  // Later calls of a step do nothing.
  bool BeforeFirst(size_t slot);
  // BeforeFirst of every slot; the slots that it was false for.
  std::vector<size_t> Rest();

 private:
  std::vector<at::Tensor> spaces_, at_once_;  // 1-D
  std::vector<at::Tensor> gradients_;         // per slot
  std::vector<at::Tensor> late_;              // per slot: the same memory, 1-D; undefined: small
  std::vector<bool> stale_;                   // per slot: not yet zero in this step
  std::vector<uint32_t> version_;             // per slot: at Begin
};

}  // namespace stemma::ops
