#include "models/data/fits/square.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace stemma::models {

FitsSquare FitsSquare::Around(double x, double y, double half) {
  return {static_cast<int64_t>(std::floor(x - half)), static_cast<int64_t>(std::floor(y - half)),
          std::llround(2 * half)};
}

namespace internal {

void ClearCutout(int64_t side, FitsCutout* cutout) {
  cutout->side = side;
  cutout->empty = 0;
  cutout->outside = side * side;
  cutout->pixels.assign(static_cast<size_t>(side * side), std::numeric_limits<float>::quiet_NaN());
}

Status FillEmpty(const std::string& path, FitsCutout* cutout) {
  std::vector<float> known;
  known.reserve(cutout->pixels.size());
  for (const float value : cutout->pixels) {
    if (std::isfinite(value)) known.push_back(value);
  }
  const size_t missing = cutout->pixels.size() - known.size();
  cutout->empty = static_cast<int64_t>(missing) - cutout->outside;
  if (missing == 0) return {};
  if (known.empty()) {
    return {Code::kIncompatible, path + ": the square has no pixel with a value"};
  }
  const auto middle = known.begin() + static_cast<std::ptrdiff_t>(known.size() / 2);
  std::nth_element(known.begin(), middle, known.end());
  for (float& value : cutout->pixels) {
    if (!std::isfinite(value)) value = *middle;
  }
  return {};
}

}  // namespace internal
}  // namespace stemma::models
