// Square pieces of images of the sky, out of FITS files: plain ones and tile-compressed ones
// (.fits.fz), of which only the tiles touched are decompressed. Free of LibTorch; no header of
// CFITSIO's is seen from here.
//
//   FitsImages images(disk);
//   FitsCutout cutout;                                       // used again and again
//   STEMMA_RETURN_IF_ERROR(images.Cut("tile_r.fits.fz", FitsSquare::Around(1201.3, 88, 40),
//   &cutout)); cutout.pixels                                            // 80 * 80 floats, row by
//   row
//
// The image is the file's first HDU with two dimensions, wherever it stands. Numbers are what the
// header makes of them (BSCALE, BZERO). Pixels without a value (BLANK, NaN) and pixels beyond the
// image's edge get the median of the others in the square, the local background, and are counted
// apart; a square without any value is an error.
//
// A path is a file's name, never an address or a command: the library's extended names are not
// looked at.
//
// Open files are kept for the next piece, the latest 64 of them. None is used by two threads at
// once: a second thread opens the file again. Where the library was built without threads, all
// pieces are cut one after the other.
//
// Owner: whoever made it; the disk outlives it. Thread: any number at once, each with a cut-out of
// its own. Failure, always with the file: kNotFound when it is not there; kIncompatible without a
// two-dimensional image, for a square beyond the image, without any value, and in a build without
// CFITSIO; kCorruption with the library's words for all else.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/storage.h"

namespace stemma::models {

constexpr int64_t kFitsSideMax = 4096;  // pixels of a square's side

// Pixels [left, left + side) of each of the rows [bottom, bottom + side), counted from 0.
struct FitsSquare {
  int64_t left = 0, bottom = 0, side = 0;  // side 0: the whole image, which is a square then
  // 2 * half pixels a side; (x, y) counted from 0, and cut off as an array's index is.
  static FitsSquare Around(double x, double y, double half);
};

struct FitsCutout {
  int64_t side = 0;
  std::vector<float> pixels;  // the file's order: row by row, the first row first
  int64_t empty = 0;          // inside the image, without a value
  int64_t outside = 0;        // beyond the image's edge
};

class FitsImages {
 public:
  explicit FitsImages(lineage::Storage& disk);
  ~FitsImages();
  Status Cut(const std::string& path, const FitsSquare& square, FitsCutout* cutout) const;

 private:
  struct Open;
  const std::unique_ptr<Open> open_;
};

}  // namespace stemma::models
