// Re h22 on a grid, an order of magnitude faster than sample by sample. Internal to phenomt.cc,
// its tests and its bench.
//
//   FillByBlocks(wave.stages(), {-10000, 0.1}, 101300, out);
//
// Amplitude and phase are slow functions of time: over a block of |t| / 13 they are polynomials of
// degree 7 to twelve digits. So they are computed at the 8 Chebyshev points of a block, and each
// of its samples costs two polynomials and one cosine, without branches, vectorised.
//
// A block's length is a fixed share of the distance to the nearest singularity of the region's
// formulas in the complex plane of t: t = 0 for the inspiral, about 8 M beside t = 0 for the merger
// (asinh, cosh), more than 13 M beside the axis for the ringdown (exponentials in denominators).
// The interpolation's error falls with the 8th power of that share. Where a block would hold few
// samples, these are computed one by one: on the published grid, the last 16 M before the peak.
//
// Error against PhenomT22::RealPart into doubles, over the whole domain and any grid: below 1e-12
// (kBlockError), a ten-thousandth of what rounding to float adds.
//
// Same bits everywhere: elementary.h has no function of the C library in it, and a sample's value
// depends on the grid and its index, not on how many samples follow, nor on threads or the width
// of vectors.
#pragma once

#include <cstdint>

#include "models/aigw/phenomt.h"

namespace stemma::models::internal {

constexpr double kBlockError = 1e-12;  // absolute; the largest |h22| is about 0.4

// `count` samples into `out`; T is float (the data set's path) or double (to measure its error).
template <typename T>
void FillByBlocks(const PhenomTStages& s, const TimeGrid& grid, int64_t count, T* out);

extern template void FillByBlocks(const PhenomTStages&, const TimeGrid&, int64_t, float*);
extern template void FillByBlocks(const PhenomTStages&, const TimeGrid&, int64_t, double*);

}  // namespace stemma::models::internal
