// Which part of an image a sample shows: drawn for training, fixed for evaluation. torchvision's
// rules, which all published recipes mean.
//
//   training     RandomResizedCrop and a flip: area uniform in area_min .. area_max of the image,
//                aspect ratio log-uniform in aspect_min .. aspect_max, ten attempts, else the
//                central part of the nearest allowed aspect ratio; mirrored with probability 1/2
//   evaluation   Resize and CenterCrop: the short side becomes `resize_short`, of which the central
//                square of `size` is kept. Only what it shows is ever decoded or computed.
//
// Draws depend on (seed, epoch, position) of the sample and a purpose, by core/random.h: never on
// the thread, the rank or what was read before. Pure functions.
#pragma once

#include <array>
#include <cstdint>

#include "core/status.h"
#include "models/data/cursor.h"
#include "models/data/images/jpeg.h"
#include "models/data/images/pixels.h"

namespace stemma::models {

enum class ImageUse { kTrain, kEvaluate };
enum class PixelOrder { kChannelsFirst, kChannelsLast };  // of the floats of one sample

struct ImageSettings {
  int64_t size = 224;          // side of the square that a sample is
  int64_t resize_short = 256;  // evaluation only
  double area_min = .08, area_max = 1;
  double aspect_min = 3. / 4, aspect_max = 4. / 3;
  bool flip = true;
  bool reduce = true;  // decode at 1/2, 1/4 or 1/8 where that still has every pixel of the result
  int64_t pixels_max = kJpegPixelsMax;
  PixelOrder order = PixelOrder::kChannelsFirst;
  // A level v of 0 .. 255 becomes (v / 255 - mean) / deviation, by channel.
  std::array<double, 3> mean = {.485, .456, .406}, deviation = {.229, .224, .225};
};

// kInvalidArgument names the value and its bounds.
Status Check(const ImageSettings& settings);

// `box` of the image becomes `width` x `height` pixels, of which the square at (left, top) is the
// sample.
struct ImageWindow {
  PixelRegion box;
  int width = 0, height = 0;
  int left = 0, top = 0;
  bool mirrored = false;
};

ImageWindow TrainingWindow(JpegSize image, const ImageSettings& settings, const Cursor& key);
ImageWindow EvaluationWindow(JpegSize image, const ImageSettings& settings);

}  // namespace stemma::models
