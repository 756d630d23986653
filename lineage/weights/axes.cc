#include "lineage/weights/axes.h"

#include <algorithm>

namespace stemma::lineage {

std::optional<Axes> ParseAxes(std::string_view text) {
  Axes axes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i % 2 == 1) {
      if (text[i] != ',') return std::nullopt;
    } else if (text[i] >= '0' && text[i] <= '9') {
      axes.push_back(static_cast<size_t>(text[i] - '0'));
    } else {
      return std::nullopt;
    }
  }
  if (text.size() % 2 == 0) return std::nullopt;  // nothing, or a comma at the end
  Axes sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i] != i) return std::nullopt;
  }
  return axes;
}

std::string TurnAxes(std::string_view bytes, const std::vector<uint64_t>& shape, const Axes& axes,
                     size_t width) {
  const size_t count = axes.size();
  std::vector<uint64_t> steps(count, width);  // bytes from one to the next along an axis of `shape`
  for (size_t i = count; i-- > 1;) steps[i - 1] = steps[i] * shape[i];
  std::vector<uint64_t> at(count, 0);  // of the result
  std::string turned;
  turned.reserve(bytes.size());
  while (turned.size() < bytes.size()) {
    uint64_t from = 0;
    for (size_t i = 0; i < count; ++i) from += at[i] * steps[axes[i]];
    turned += bytes.substr(from, width);
    for (size_t i = count; i-- > 0;) {
      if (++at[i] < shape[axes[i]]) break;
      at[i] = 0;
    }
  }
  return turned;
}

}  // namespace stemma::lineage
