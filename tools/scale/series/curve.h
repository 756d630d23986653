// What an all-reduce costs on ranks of this machine, by size: a measured curve. Ranks that share
// memory on one node have no formula (SCALING 4.2).
//
//   STEMMA_RETURN_IF_ERROR(MeasureCurves(series, tell));      // DIR/all_reduce-r2.csv, ...
//   STEMMA_ASSIGN_OR_RETURN(Curve curve, ReadCurve("DIR/all_reduce-r2.csv"));
//   curve.Seconds(4 << 20)
//
// The file is what `stemma bench comm --ops=all_reduce --csv=FILE` writes. Between two sizes time
// is interpolated in the logarithms; below the first it is the first's, above the last it grows
// with the bytes. Failure: kNotFound, kCorruption, and a child's as child.h.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/status.h"
#include "tools/scale/series/series.h"

namespace stemma::scale {

class Curve {
 public:
  // (bytes, seconds), sorted by bytes, all above 0, at least one.
  explicit Curve(std::vector<std::pair<double, double>> points) : points_(std::move(points)) {}
  double Seconds(double bytes) const;

 private:
  std::vector<std::pair<double, double>> points_;
};

Result<Curve> ReadCurve(const std::string& path);

std::string CurvePath(const std::string& folder, int ranks);

// For every count above 1 whose file is not there.
Status MeasureCurves(const Series& series, const std::function<void(const std::string&)>& tell);

}  // namespace stemma::scale
