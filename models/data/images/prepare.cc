#include "models/data/images/prepare.h"

#include <algorithm>
#include <utility>

namespace stemma::models {
namespace {

// The largest reduction after which the box still has every pixel that is made of it.
int ReductionFor(const ImageWindow& window) {
  for (const int reduction : {8, 4, 2}) {
    if (window.box.width >= reduction * window.width &&
        window.box.height >= reduction * window.height) {
      return reduction;
    }
  }
  return 1;
}

// One axis of a window, in pixels of the reduced image.
AxisSpec SpecOf(int first, int count, int reduction, int out_size, int out_first, int out_count) {
  const double scale = reduction;
  const int end = first + count;
  return {first / scale, end / scale, first / reduction, (end + reduction - 1) / reduction,
          out_size,      out_first,   out_count};
}

}  // namespace

Result<ImagePreparer> ImagePreparer::Make(const ImageSettings& settings) {
  STEMMA_RETURN_IF_ERROR(Check(settings));
  return ImagePreparer(settings);
}

ImagePreparer::ImagePreparer(const ImageSettings& settings)
    : settings_(settings), decoder_(settings.pixels_max) {
  for (size_t channel = 0; channel < table_.size(); ++channel) {
    const auto mean = static_cast<float>(settings.mean[channel]);
    const auto deviation = static_cast<float>(settings.deviation[channel]);
    for (int level = 0; level < 256; ++level) {
      table_[channel][static_cast<size_t>(level)] =
          (static_cast<float>(level) / 255.f - mean) / deviation;
    }
  }
  row_.resize(static_cast<size_t>((settings.size + 3) / 4 * 4) * kPixelBytes);
}

void ImagePreparer::Normalise(const uint8_t* rgbx, int64_t y, float* x) const {
  const int64_t size = settings_.size;
  const float *red = table_[0].data(), *green = table_[1].data(), *blue = table_[2].data();
  if (settings_.order == PixelOrder::kChannelsLast) {
    float* out = x + 3 * size * y;
    for (int64_t i = 0; i < size; ++i, rgbx += kPixelBytes, out += 3) {
      out[0] = red[rgbx[0]];
      out[1] = green[rgbx[1]];
      out[2] = blue[rgbx[2]];
    }
    return;
  }
  float *r = x + size * y, *g = r + size * size, *b = g + size * size;
  for (int64_t i = 0; i < size; ++i, rgbx += kPixelBytes) {
    r[i] = red[rgbx[0]];
    g[i] = green[rgbx[1]];
    b[i] = blue[rgbx[2]];
  }
}

Status ImagePreparer::Prepare(std::string_view bytes, ImageUse use, const Cursor& key, float* x) {
  STEMMA_ASSIGN_OR_RETURN(const JpegSize image, decoder_.Start(bytes));
  const ImageWindow window = use == ImageUse::kTrain ? TrainingWindow(image, settings_, key)
                                                     : EvaluationWindow(image, settings_);
  const int reduction = settings_.reduce ? ReductionFor(window) : 1;
  const auto side = static_cast<int>(settings_.size);
  const PixelRegion& box = window.box;
  TriangleAxis(SpecOf(box.left, box.width, reduction, window.width, window.left, side),
               window.mirrored, &columns_);
  TriangleAxis(SpecOf(box.top, box.height, reduction, window.height, window.top, side), false,
               &rows_);
  const PixelRegion region = {columns_.begin, rows_.begin, columns_.end - columns_.begin,
                              rows_.end - rows_.begin};
  STEMMA_RETURN_IF_ERROR(decoder_.Decode(reduction, region, &decoded_));
  ResampleColumns(decoded_, region.height, columns_, &narrow_);
  for (int y = 0; y < side; ++y) {
    ResampleRow(narrow_, rows_, y, side, row_.data());
    Normalise(row_.data(), y, x);
  }
  return {};
}

Result<JpegSize> ImagePreparer::Verify(std::string_view bytes) {
  STEMMA_ASSIGN_OR_RETURN(const JpegSize image, decoder_.Start(bytes));
  // An eighth of the size: all data is read and checked, little is computed.
  const JpegSize reduced = ReducedSize(image, 8);
  STEMMA_RETURN_IF_ERROR(decoder_.Decode(8, {0, 0, reduced.width, reduced.height}, &decoded_));
  return image;
}

}  // namespace stemma::models
