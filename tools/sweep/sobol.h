// Sobol's low-discrepancy sequence: point i of [0, 1)^dimensions, by the direction numbers of Joe
// and Kuo (new-joe-kuo-6; SIAM J. Sci. Comput. 30, 2008) and the Gray code order of Antonov and
// Saleev. The first 2^k points have exactly one coordinate in each of the 2^k equal parts of an
// axis.
//
//   SobolPoint(1, 2)   {0.5, 0.5}      SobolPoint(2, 2)   {0.75, 0.25}
//
// Point 0 is the origin. Pure; any thread. REQUIRES: 1 <= dimensions <= kSobolDimensions, and
// 0 <= index < 2^32.
#pragma once

#include <cstdint>
#include <vector>

namespace stemma::sweep {

constexpr int64_t kSobolDimensions = 21;

std::vector<double> SobolPoint(int64_t index, int64_t dimensions);

// The same with a digital shift: each coordinate's bits are flipped by a mask of the seed and the
// axis, which keeps every such property. Seed 0: none.
std::vector<double> ShiftedSobolPoint(int64_t index, int64_t dimensions, int64_t seed);

}  // namespace stemma::sweep
