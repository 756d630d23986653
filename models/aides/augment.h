// The published augmentation of AI-DES, Keras's ImageDataGenerator: an image is rotated by up to 45
// degrees, shifted by up to 30 % of its side along each axis, zoomed by a factor of .7 to 1.3 drawn
// for each axis alone, all as one affine transform about the centre, and then flipped in half of
// the cases along each axis. What comes from outside the image is its nearest pixel.
//
//   const Affine change = DrawAugmentation(key);          // a pure function of the sample's place
//   Transform(change, side, planes, x, out);              // [planes][side][side]
//
// A pixel of the result at (row, column) from the centre shows the image at matrix * (row, column)
// + shift, read linearly between the four pixels around it (Keras's interpolation order 1, which
// its newer versions have). So a zoom factor above 1 makes the galaxy smaller.
//
// Drawn from Philox keyed by (seed, epoch, position): neither rank nor thread changes it. The sine
// and cosine are our own (models/numeric): same bits on every machine. Any thread.
#pragma once

#include <array>
#include <cstddef>

#include "models/data/cursor.h"

namespace stemma::models {

struct Affine {
  std::array<double, 4> matrix = {1, 0, 0, 1};  // row, column from row, column
  std::array<double, 2> shift = {0, 0};         // of the side, along rows and columns
  bool flip_rows = false, flip_columns = false;
};

Affine DrawAugmentation(const Cursor& key);

// REQUIRES: `x` and `out` have planes * side * side floats and do not overlap; side >= 1
void Transform(const Affine& change, size_t side, size_t planes, const float* x, float* out);

}  // namespace stemma::models
