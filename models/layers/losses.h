// Losses of classifiers, as sums over the local samples: the reducer divides by the samples of the
// global batch (models/train/workload.h).
//
//   return SumOfCrossEntropy(network.Forward(x), labels, 0.1);
//
// 16-bit logits are made float32 first: their cross-entropy would lose digits. LibTorch's
// exceptions leave the function. Any thread.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace stemma::models {

constexpr int64_t kIgnoredLabel = -100;  // a row with it adds nothing

// Sum over rows of (1 - e) (-log p_y) + e / K sum_k (-log p_k), with p the softmax of a row's K
// logits, y its label and e the smoothing (Szegedy et al., arXiv:1512.00567): a label smoothed to
// 1 - e + e / K at y and e / K elsewhere. `logits` [n, K], `labels` int64 [n] in [0, K)
// or kIgnoredLabel; 0 <= smoothing < 1.
at::Tensor SumOfCrossEntropy(const at::Tensor& logits, const at::Tensor& labels,
                             double smoothing = 0);

}  // namespace stemma::models
