#include "models/data/images/augment.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/random.h"

namespace stemma::models {
namespace {

constexpr int kAttempts = 10;

// Python's round: halves go to the even neighbour.
int RoundHalfEven(double v) { return static_cast<int>(std::nearbyint(v)); }

// What is taken when no attempt fits: the central part of the nearest allowed aspect ratio.
PixelRegion CentralPart(JpegSize image, const ImageSettings& settings) {
  PixelRegion box = {0, 0, image.width, image.height};
  const double aspect = static_cast<double>(image.width) / image.height;
  if (aspect < settings.aspect_min) {
    box.height = std::clamp(RoundHalfEven(image.width / settings.aspect_min), 1, image.height);
  } else if (aspect > settings.aspect_max) {
    box.width = std::clamp(RoundHalfEven(image.height * settings.aspect_max), 1, image.width);
  }
  box.left = (image.width - box.width) / 2;
  box.top = (image.height - box.height) / 2;
  return box;
}

PixelRegion RandomBox(JpegSize image, const ImageSettings& settings, Random* draw) {
  const double area = static_cast<double>(image.width) * image.height;
  const double log_min = std::log(settings.aspect_min), log_max = std::log(settings.aspect_max);
  for (int i = 0; i < kAttempts; ++i) {
    const double share =
        settings.area_min + (settings.area_max - settings.area_min) * draw->Uniform();
    const double aspect = std::exp(log_min + (log_max - log_min) * draw->Uniform());
    const int width = RoundHalfEven(std::sqrt(area * share * aspect));
    const int height = RoundHalfEven(std::sqrt(area * share / aspect));
    if (width < 1 || height < 1 || width > image.width || height > image.height) continue;
    const auto below = [&](int bound) {
      return static_cast<int>(draw->Below(static_cast<uint64_t>(bound)));
    };
    const int top = below(image.height - height + 1);
    return {below(image.width - width + 1), top, width, height};
  }
  return CentralPart(image, settings);
}

Status OutOf(const char* name, double value, const std::string& bounds) {
  return {Code::kInvalidArgument,
          std::string("images: ") + name + " = " + std::to_string(value) + ", expected " + bounds};
}

}  // namespace

Status Check(const ImageSettings& s) {
  if (s.size < 1 || s.size > 4096) return OutOf("size", double(s.size), "1 to 4096");
  if (s.resize_short < s.size || s.resize_short > 8192) {
    return OutOf("resize_short", double(s.resize_short), "the size to 8192");
  }
  if (!(s.area_min > 0 && s.area_min <= s.area_max)) {
    return OutOf("area_min", s.area_min, "above 0 and at most area_max");
  }
  if (!(s.area_max <= 1)) return OutOf("area_max", s.area_max, "at most 1");
  if (!(s.aspect_min > 0 && s.aspect_min <= s.aspect_max && s.aspect_max <= 100)) {
    return OutOf("aspect_min", s.aspect_min,
                 "above 0 and at most aspect_max, which is at most 100");
  }
  if (s.pixels_max < 1) return OutOf("pixels_max", double(s.pixels_max), "at least 1");
  for (const double deviation : s.deviation) {
    if (!(deviation > 0)) return OutOf("deviation", deviation, "above 0");
  }
  return {};
}

ImageWindow TrainingWindow(JpegSize image, const ImageSettings& settings, const Cursor& key) {
  const uint64_t sample = Key({key.seed, key.epoch, key.sample});
  Random crop(sample, "image crop");
  ImageWindow window;
  window.box = RandomBox(image, settings, &crop);
  window.width = window.height = static_cast<int>(settings.size);
  window.mirrored = settings.flip && Random(sample, "image flip").Below(2) == 1;
  return window;
}

ImageWindow EvaluationWindow(JpegSize image, const ImageSettings& settings) {
  const auto side = static_cast<int>(settings.size);
  const int64_t brief = std::min(image.width, image.height);
  const auto scaled = [&](int of) {
    return static_cast<int>(settings.resize_short * of / brief);  // rounded down, as torchvision
  };
  ImageWindow window;
  window.box = {0, 0, image.width, image.height};
  window.width = scaled(image.width);
  window.height = scaled(image.height);
  window.left = RoundHalfEven((window.width - side) / 2.);
  window.top = RoundHalfEven((window.height - side) / 2.);
  return window;
}

}  // namespace stemma::models
