// A picture of any size as the network's square, by nearest neighbour: as the publication resized
// its pictures of 200 pixels.
//
//   ResizeNearest({height, width}, side, [&](int64_t row, int64_t column, int64_t k) {
//     return values[...];                              // of the picture, in [0, 1]
//   }, x);                                             // x: [3, side, side]
//
// Pixel (r, c) of the square is pixel (r height / side, c width / side) of the picture, rounded
// down. Pure function.
#pragma once

#include <cstdint>

namespace stemma::models {

struct PictureSize {
  int64_t height = 0, width = 0;
};

template <typename ValueAt>
void ResizeNearest(PictureSize size, int64_t side, ValueAt value_at, float* x) {
  for (int64_t r = 0; r < side; ++r) {
    for (int64_t c = 0; c < side; ++c) {
      for (int64_t k = 0; k < 3; ++k) {
        x[(k * side + r) * side + c] = value_at(r * size.height / side, c * size.width / side, k);
      }
    }
  }
}

}  // namespace stemma::models
