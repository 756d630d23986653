// JPEG: headers, whole images, parts of them and samples of them, whatever the bytes are.

#include "models/data/images/jpeg.h"

#include "models/data/images/prepare.h"
#include "tests/fuzz/fuzz.h"
#include "tools/bench/made_images.h"

namespace stemma::fuzz {
namespace {

using models::JpegDecoder;
using models::JpegSize;

constexpr int64_t kPixelsMax = 1 << 14;

// The first bytes choose the reduction and the part.
void DecodePart(std::string_view input) {
  static JpegDecoder decoder(kPixelsMax);
  const int reduction = 1 << TakeChoice(&input, 4);
  const int left = TakeChoice(&input, 255), top = TakeChoice(&input, 255);
  const auto size = decoder.Start(input);
  if (!size.ok()) return;
  Require(size->width > 0 && size->height > 0, "an image has pixels");
  Require(int64_t{size->width} * size->height <= kPixelsMax, "the limit holds");
  const JpegSize reduced = ReducedSize(*size, reduction);
  static models::Pixels pixels;
  models::PixelRegion region = {left % reduced.width, top % reduced.height, 0, 0};
  region.width = reduced.width - region.left;
  region.height = (reduced.height - region.top + 1) / 2;
  (void)decoder.Decode(reduction, region, &pixels);
}

void Prepare(std::string_view input) {
  models::ImageSettings settings;
  settings.size = 8;
  settings.resize_short = 9;
  settings.pixels_max = kPixelsMax;
  static auto preparer = *models::ImagePreparer::Make(settings);
  float x[3 * 8 * 8];
  const uint8_t sample = TakeChoice(&input, 255);
  const auto use = sample % 2 ? models::ImageUse::kTrain : models::ImageUse::kEvaluate;
  if (!preparer.Prepare(input, use, {1, 0, sample}, x).ok()) return;
  for (const float v : x) Require(v > -3 && v < 3, "a level of 0 to 255, normalised");
}

}  // namespace

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const auto kind : {bench::JpegKind::k420, bench::JpegKind::kProgressive,
                          bench::JpegKind::kGrey, bench::JpegKind::kCmyk}) {
    const std::string jpeg = bench::MadeJpeg(bench::MadePixels(20, 18, 1), 20, 18, kind, 70);
    seeds.push_back(std::string("\0\0\3\5", 4) + jpeg);
    seeds.push_back(std::string("\1\7", 2) + jpeg);
  }
  return seeds;
}

}  // namespace stemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input = stemma::fuzz::View(data, size);
  if (stemma::fuzz::TakeChoice(&input, 2) == 0) {
    stemma::fuzz::DecodePart(input);
  } else {
    stemma::fuzz::Prepare(input);
  }
  return 0;
}
