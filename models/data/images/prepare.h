// From the bytes of a JPEG to the floats of a sample: decode, crop, resize, flip, normalise, with
// no pass that is not needed. Only the rectangle that the sample shows is decoded, at the smallest
// size that has every pixel of the result; the flip is an order of weights; levels become floats
// through a table of 256, row by row as the rows are resized.
//
//   STEMMA_ASSIGN_OR_RETURN(ImagePreparer preparer, ImagePreparer::Make(settings));
//   STEMMA_RETURN_IF_ERROR(preparer.Prepare(bytes, ImageUse::kTrain, key, x));
//
// `x` gets 3 * size * size floats, in the settings' order. They are what torchvision's
// RandomResizedCrop, RandomHorizontalFlip, ToTensor and Normalize make of the same decoded pixels
// and the same rectangle, to within one level of 255.
//
// Owner: the caller, one per thread: it holds the decoder and the memory between the steps.
// Failure: see JpegDecoder.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "models/data/cursor.h"
#include "models/data/images/augment.h"
#include "models/data/images/jpeg.h"
#include "models/data/images/pixels.h"
#include "models/data/images/resample.h"

namespace stemma::models {

class ImagePreparer {
 public:
  // kInvalidArgument: see Check(ImageSettings).
  static Result<ImagePreparer> Make(const ImageSettings& settings);

  Status Prepare(std::string_view bytes, ImageUse use, const Cursor& key, float* x);

  // Decodes all of the image and keeps nothing: is it whole? For `stemma data check`.
  Result<JpegSize> Verify(std::string_view bytes);

 private:
  explicit ImagePreparer(const ImageSettings& settings);
  void Normalise(const uint8_t* rgbx, int64_t y, float* x) const;

  ImageSettings settings_;
  std::array<std::array<float, 256>, 3> table_;
  JpegDecoder decoder_;
  Pixels decoded_, narrow_;
  Axis columns_, rows_;
  std::vector<uint8_t> row_;
};

}  // namespace stemma::models
