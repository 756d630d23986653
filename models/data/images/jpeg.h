// Decodes JPEG, all of an image or a rectangle of it, at full size or at 1/2, 1/4 or 1/8.
//
//   JpegDecoder decoder;                                     // one per thread, used again and
//   again STEMMA_ASSIGN_OR_RETURN(JpegSize size, decoder.Start(bytes));
//   STEMMA_RETURN_IF_ERROR(decoder.Decode(1, {0, 0, size.width, size.height}, &pixels));
//
// A rectangle costs less than the image: columns outside it are not transformed, rows below it are
// not looked at. Its pixels are those that decoding everything gives, to the bit. The reductions
// are done in the transform; other ratios have no fast path in libjpeg and are not offered.
//
// Read are greyscale, YCbCr, RGB, CMYK and YCCK, the last two as Adobe writes them (inverted),
// which is how everybody reads them. The first bytes say which format it is, never the file's name.
// The rotation in EXIF is not applied; torchvision does not either.
//
// The bytes may be anybody's: an image of more pixels than `pixels_max` is refused before memory is
// made for it, and one of more than a hundred scans before it has cost minutes. A warning of
// libjpeg counts as an error: it means that data is missing or wrong and that pixels were made up.
// What lies behind the last row asked for is not looked at.
//
// Owner: the caller. Thread: one at a time. Failure: kCorruption with libjpeg's text; kIncompatible
// for good bytes that are no JPEG, or one of a kind or size that is not read. After a failure the
// decoder takes the next image. Source: libjpeg-turbo's libjpeg.txt.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/status.h"
#include "models/data/images/pixels.h"

namespace stemma::models {

namespace internal {
struct JpegState;
}

constexpr int64_t kJpegPixelsMax = int64_t{1} << 26;  // 8192 x 8192

struct JpegSize {
  int width = 0, height = 0;
};

class JpegDecoder {
 public:
  explicit JpegDecoder(int64_t pixels_max = kJpegPixelsMax);
  ~JpegDecoder();
  JpegDecoder(JpegDecoder&&) noexcept;
  JpegDecoder& operator=(JpegDecoder&&) noexcept;

  // Reads the header. `bytes` outlive the Decode that follows.
  Result<JpegSize> Start(std::string_view bytes);

  // The pixels of `region`, in pixels of the reduced image, which has ReducedSize(size, reduction).
  // Once after each Start.
  // REQUIRES: Start was OK; reduction is 1, 2, 4 or 8; the region is not empty and lies inside
  Status Decode(int reduction, const PixelRegion& region, Pixels* out);

 private:
  std::unique_ptr<internal::JpegState> state_;
};

// What an image of this size has at 1/reduction: rounded up.
inline JpegSize ReducedSize(JpegSize size, int reduction) {
  return {(size.width + reduction - 1) / reduction, (size.height + reduction - 1) / reduction};
}

// "JPEG", "PNG", "GIF", "WebP", "BMP", "TIFF" by the first bytes; "" for all else.
std::string ImageFormat(std::string_view bytes);

// The version of libjpeg that this was built with: bits of the input depend on it.
std::string JpegVersion();

}  // namespace stemma::models
