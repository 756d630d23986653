// Spans of any dtype filled from and compared with closed forms over small integers, which are
// exact in every dtype; and the errors that a row expects.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "core/status.h"

#include "tests/support/promise.h"

namespace stemma::tests {

inline const DType kReducible[] = {DType::kU8,  DType::kI8,   DType::kI32, DType::kI64,
                                   DType::kF16, DType::kBF16, DType::kF32, DType::kF64};

using Form = std::function<double(int64_t)>;

// `count` elements of `dtype` in memory of their own.
class Values {
 public:
  Values(DType dtype, int64_t count, const Form& form);
  comm::Span span() { return {bytes_.data(), count_, dtype_}; }
  comm::ConstSpan in() const { return {bytes_.data(), count_, dtype_}; }
  double at(int64_t i) const;
  const std::vector<char>& bytes() const { return bytes_; }
  // kInternal with the first element that is not `form` of its index, in `what`.
  Status Expect(const Form& form, const std::string& what) const;

 private:
  DType dtype_;
  int64_t count_;
  std::vector<char> bytes_;
};

inline Status Promised(bool held, const std::string& what) {
  return held ? Status() : Broken(what);
}

// `found` has this code and its message holds `text`.
Status FailsWith(const Status& found, Code code, const std::string& text);

// "rank {1} ..., ranks {0,2} ...": what a mismatch is reported as when the last rank says `last`
// and all others say `first`.
std::string LastDiffers(int ranks, const std::string& first, const std::string& last);

// The gradients of a rank: of many magnitudes, so that the order of a sum shows in its bits.
std::vector<float> Gradients(int rank, int64_t count);
// What the average of Gradients over `ranks` is in rank order.
std::vector<float> AverageInRankOrder(int ranks, int64_t count);

}  // namespace stemma::tests
