// How two tensors of equal type and size differ, as sums that can be put together: of tensors to a
// layer, of layers to the model. Float64 throughout; plain values.
//
//   Change change = Compare(DType::kF32, a, b, 0);
//   layer.Add(change);
//   layer.RelativeL2();                      // |b - a| / |a|
#pragma once

#include <cstdint>
#include <string_view>

#include "core/dtype.h"

namespace stemma::cli {

struct Change {
  uint64_t count = 0;      // elements
  uint64_t different = 0;  // of them, those that differ in any bit
  uint64_t changed = 0;    // of them, those that differ by more than eps; with eps 0: `different`
  double difference_squared = 0, a_squared = 0, b_squared = 0, dot = 0;
  double max = 0;  // largest |b - a|; not a number as soon as one element is none

  void Add(const Change& other);
  double L2() const;          // |b - a|
  double RelativeL2() const;  // 0 when both are 0; infinite when only a is
  double Cosine() const;      // 1 when both are 0; 0 when one is
};

// `a` and `b` are the tensors' bytes, little-endian, of the same length.
// REQUIRES: equal lengths that are whole elements.
Change Compare(DType dtype, std::string_view a, std::string_view b, double eps);

}  // namespace stemma::cli
