#include "tests/conformance/values.h"

#include <utility>

#include "core/cohort.h"

#include "tests/support/elements.h"

namespace stemma::tests {

using internal::Read;
using internal::Write;
Values::Values(DType dtype, int64_t count, const Form& form)
    : dtype_(dtype), count_(count), bytes_(static_cast<size_t>(count) * SizeOf(dtype)) {
  for (int64_t i = 0; i < count; ++i) {
    Write(dtype, form(i), bytes_.data() + static_cast<size_t>(i) * SizeOf(dtype));
  }
}

double Values::at(int64_t i) const {
  return Read(dtype_, bytes_.data() + static_cast<size_t>(i) * SizeOf(dtype_));
}

Status Values::Expect(const Form& form, const std::string& what) const {
  for (int64_t i = 0; i < count_; ++i) {
    if (at(i) == form(i)) continue;
    return Broken(what + ": element " + std::to_string(i) + " of " + std::string(NameOf(dtype_)) +
                  "[" + std::to_string(count_) + "] is " + std::to_string(at(i)) + ", not " +
                  std::to_string(form(i)));
  }
  return {};
}

Status FailsWith(const Status& found, Code code, const std::string& text) {
  if (found.code() == code && found.message().find(text) != std::string::npos) return {};
  return Broken(std::string("expected ") + CodeName(code) + " with '" + text + "', found " +
                CodeName(found.code()) + " '" + found.message() + "'");
}

std::string LastDiffers(int ranks, const std::string& first, const std::string& last) {
  std::vector<std::string> by_rank(static_cast<size_t>(ranks), first);
  by_rank.back() = last;
  return GroupByValue(by_rank);
}

std::vector<float> Gradients(int rank, int64_t count) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    const auto mixed = static_cast<uint32_t>((i + 1) * 2654435761u + rank * 40503u);
    const float magnitude = (mixed & 8u) != 0 ? 1e-3f : 1e4f;
    values.push_back(magnitude * (static_cast<float>(mixed >> 8) / 16777216.0f - 0.5f));
  }
  return values;
}

std::vector<float> AverageInRankOrder(int ranks, int64_t count) {
  std::vector<float> sum = Gradients(0, count);
  for (int r = 1; r < ranks; ++r) {
    const std::vector<float> more = Gradients(r, count);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] = sum[i] + more[i];
  }
  for (float& value : sum) value = value * static_cast<float>(1.0 / ranks);
  return sum;
}

}  // namespace stemma::tests
