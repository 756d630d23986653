// An f32 is stored as two planes of 16 bits: the upper half of every number, then the lower half of
// every number. The upper half *is* a bf16 (truncated, not rounded), so the high plane alone is a
// readable bf16 model; both together are the f32 bit for bit, NaN payloads included.
//
//   f32 0x3f80_1234  ->  high 0x3f80 (bf16 1.0), low 0x1234
//
// Pure functions at memory speed; any thread; buffers need no alignment and must not overlap. They
// work on any sub-range, since element i of the input is element i of each plane.
#pragma once

#include <cstddef>
#include <string_view>

namespace stemma::lineage {

// REQUIRES: f32.size() is a multiple of 4; each output has room for f32.size() / 2 bytes.
void SplitHigh(std::string_view f32, char* high);
void SplitLow(std::string_view f32, char* low);

// REQUIRES: equal, even sizes; `f32` has room for twice that.
void MergePlanes(std::string_view high, std::string_view low, char* f32);

// The f32 in the middle of what each upper half leaves open: the lower half becomes 0x8000, which
// halves the error of truncation to at most 2^-8 of the value. Zeros and denormals (exponent 0),
// infinities and NaNs (all ones) get the lower half 0: a zero stays zero. A NaN whose payload lies
// in the lower half alone looks like an infinity.
// REQUIRES: high.size() is even; `f32` has room for twice that.
void FillMidpoint(std::string_view high, char* f32);

}  // namespace stemma::lineage
