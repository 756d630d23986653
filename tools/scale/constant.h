// A number of a model, with where it comes from and how far it may be off: no number of tools/scale
// stands without both.
//
//   Constant bus{10.5, 9.5, 12.0, Provenance::kAssumed, "EDR, 12 GB/s effective"};
//   double drawn = bus.At(0.5);          // between low and high, most often near the value
//
// The distribution is a triangle over [low, high] with its top at the value: what is said by "about
// so much, at least, at most" and by nothing more. low == high means exactly known. Plain values.
#pragma once

#include <string>

namespace stemma::scale {

enum class Provenance {
  kMeasured,   // by us, the source names file and machine
  kPublished,  // the source names the publication
  kFitted,     // the source names the points
  kAssumed,    // the source says why so
};

const char* ProvenanceName(Provenance provenance);

struct Constant {
  double value = 0, low = 0, high = 0;
  Provenance provenance = Provenance::kAssumed;
  std::string source;

  // The quantile of the triangle at `share` in [0, 1].
  double At(double share) const;
};

}  // namespace stemma::scale
