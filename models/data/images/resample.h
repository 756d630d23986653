// Resizes with an antialiased triangle filter, PIL's BILINEAR, from which every published number on
// ImageNet comes: the filter is as wide as the pixels of the result, never narrower than those of
// the source. One axis after the other, columns first, rounded to whole levels after each, as PIL.
//
//   TriangleAxis({0, 500, 0, 500, 224, 0, 224}, false, &columns);      // 500 columns become 224
//   TriangleAxis({0, 375, 0, 375, 224, 0, 224}, false, &rows);
//   ResampleColumns(source, source.height(), columns, &narrow);
//   for (int y = 0; y < 224; ++y) ResampleRow(narrow, rows, y, 224, rgbx.data());
//
// Weights are multiples of 2^-14 that add up to 1 exactly, so a flat area keeps its level; against
// PIL, whose weights are finer, a level can differ by 1 where a sum lies near a half. Integers all
// through: the same bits on every machine. With SSE2 (every x86-64) by instructions for it, and
// elsewhere by plain loops that give the same.
//
// A result never reads outside `low` .. `high`: a crop is resized as if nothing lay beside it.
// Pure functions and plain values; one thread at a time per value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "models/data/images/pixels.h"

namespace stemma::models {

// What of one axis of a source becomes what of a result.
struct AxisSpec {
  double begin = 0, end = 0;  // this interval of the source, in its pixels, is the whole result ...
  int low = 0, high = 0;      // ... and these pixels of it may be read
  int out_size = 0;           // pixels of the whole result
  int out_first = 0;          // of which `out_count` from `out_first` on are computed
  int out_count = 0;
};

// The weights of one axis. Two by two, because that is how they are multiplied; the second of the
// last pair may be 0.
struct Axis {
  struct Output {
    int first = 0;        // the first source pixel, counted from `begin`
    int pairs = 0;        // this many pairs from there on
    size_t at = 0;        // where its weights begin
    bool padded = false;  // the last weight is a padding one, and its pixel may not exist
  };
  int begin = 0, end = 0;  // source pixels that anything reads
  std::vector<Output> outputs;
  std::vector<int16_t> weights;
};

constexpr int kWeightBits = 14;

// `mirrored`: the last output first, which flips the image for nothing.
// REQUIRES: 0 <= low <= begin < end <= high; out_count > 0 outputs lie in [0, out_size)
void TriangleAxis(const AxisSpec& spec, bool mirrored, Axis* axis);

// Each row of `in`, whose column 0 is the source's column columns.begin, becomes one of
// columns.outputs.size() pixels.
void ResampleColumns(const Pixels& in, int in_rows, const Axis& columns, Pixels* out);

// Row `y` of the result: `width` pixels of four bytes to `out`, which has room for a multiple of
// four pixels. Row 0 of `in` is the source's row rows.begin.
void ResampleRow(const Pixels& in, const Axis& rows, int y, int width, uint8_t* out);

namespace internal {
// The plain loops, of one row each; what the instructions must equal.
void PlainColumns(const uint8_t* row, const Axis& columns, uint8_t* out);
void PlainRow(const Pixels& in, const Axis& rows, int y, int width, uint8_t* out);
}  // namespace internal

}  // namespace stemma::models
