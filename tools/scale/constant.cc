#include "tools/scale/constant.h"

#include <cmath>

namespace stemma::scale {

const char* ProvenanceName(Provenance provenance) {
  switch (provenance) {
    case Provenance::kMeasured:
      return "measured";
    case Provenance::kPublished:
      return "published";
    case Provenance::kFitted:
      return "fitted";
    case Provenance::kAssumed:
      return "assumed";
  }
  return "unknown";
}

double Constant::At(double share) const {
  const double width = high - low;
  if (!(width > 0)) return value;
  const double left = (value - low) / width;
  if (share < left) return low + std::sqrt(share * width * (value - low));
  return high - std::sqrt((1 - share) * width * (high - value));
}

}  // namespace stemma::scale
