// A rectangle of an image, and the memory for its pixels: four bytes each, red, green, blue and one
// that means nothing. Four instead of three, because then two neighbours are one load of eight
// bytes, which is what the resampling lives on.
//
// Plain values; one thread at a time. Memory only grows, so that a worker that sees images of all
// sizes soon allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace stemma::models {

constexpr int kPixelBytes = 4;

struct PixelRegion {
  int left = 0, top = 0, width = 0, height = 0;
};

class Pixels {
 public:
  // What the pixels were is lost. The first `margin` columns of a row are memory before column 0:
  // a decoder that can only begin at certain columns puts there what nobody asked for.
  // REQUIRES: width >= margin + 1, margin >= 0, height >= 1
  void Shape(int width, int height, int margin = 0) {
    stride_ = static_cast<size_t>(width) * kPixelBytes;
    margin_ = static_cast<size_t>(margin) * kPixelBytes;
    height_ = height;
    // Sixteen bytes more: a load of several pixels may begin at the last one.
    const size_t bytes = stride_ * static_cast<size_t>(height) + 16;
    if (bytes_.size() < bytes) bytes_.resize(bytes);
  }
  uint8_t* row(int y) { return bytes_.data() + static_cast<size_t>(y) * stride_ + margin_; }
  const uint8_t* row(int y) const {
    return bytes_.data() + static_cast<size_t>(y) * stride_ + margin_;
  }
  size_t stride() const { return stride_; }  // bytes from one row to the next
  int height() const { return height_; }

 private:
  std::vector<uint8_t> bytes_;
  size_t stride_ = 0, margin_ = 0;
  int height_ = 0;
};

}  // namespace stemma::models
