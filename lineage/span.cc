#include "lineage/span.h"

#include <algorithm>

namespace stemma::lineage {

int64_t Span::count() const {
  int64_t product = 1;
  bool zero = false;  // [0, huge, huge] is empty, not too large
  for (const int64_t dim : shape) {
    if (dim < 0) return -1;
    if (dim == 0) zero = true;
  }
  if (zero) return 0;
  for (const int64_t dim : shape) {
    if (__builtin_mul_overflow(product, dim, &product)) return -1;
  }
  return product;
}

bool HasRole(const std::vector<Span>& spans, Role role) {
  return std::any_of(spans.begin(), spans.end(),
                     [&](const Span& span) { return span.role == role; });
}

int64_t Span::bytes() const {
  int64_t total = 0;
  const int64_t elements = count();
  if (elements < 0) return -1;
  if (__builtin_mul_overflow(elements, static_cast<int64_t>(SizeOf(dtype)), &total)) return -1;
  return total;
}

Status Sink::WriteLow(size_t span, uint64_t, std::string_view) {
  return {Code::kInvalidArgument, "span " + std::to_string(span) +
                                      ": this program takes whole values only, so it cannot be "
                                      "restored progressively"};
}

}  // namespace stemma::lineage
