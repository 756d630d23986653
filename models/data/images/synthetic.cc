#include "models/data/images/synthetic.h"

#include <cmath>
#include <cstdlib>

#include "core/bytes.h"
#include "core/digest.h"
#include "core/random.h"

namespace stemma::models {
namespace {

constexpr char kPrefix[] = "synthetic:";
constexpr int64_t kImagesMax = int64_t{1} << 40;
constexpr int64_t kCyclesPerStep = 2;

// Raised whenever the same settings begin to mean other floats.
constexpr uint32_t kVersion = 1;

// Cycles across the image and down it.
struct Waves {
  int64_t x = 0, y = 0;
};

// The class's own direction: the class-th vector of a half plane, the shortest first. Steps 1 to 5
// have 4 * step vectors each: 60 in all.
Waves WavesOf(int64_t label) {
  for (int64_t step = 1;; ++step) {
    for (int64_t i = 0; i < 4 * step; ++i) {
      if (label-- > 0) continue;
      if (i < 2 * step) return {step, i - step + 1};  // the right side, without its lower end
      return {3 * step - i - 1, step};                // the upper side, without its right end
    }
  }
}

// A triangle wave of period 1 in [-1, 1].
float Triangle(double turns) {
  const double part = turns - std::floor(turns);
  return static_cast<float>(part < .5 ? 4 * part - 1 : 3 - 4 * part);
}

bool Number(const std::string& text, int64_t* out) {
  if (text.empty() || text.size() > 15 ||
      text.find_first_not_of("0123456789") != std::string::npos) {
    return false;
  }
  *out = std::strtoll(text.c_str(), nullptr, 10);
  return true;
}

}  // namespace

bool IsSynthetic(const std::string& path) { return path.rfind(kPrefix, 0) == 0; }

Result<SyntheticSpec> ParseSynthetic(const std::string& path) {
  SyntheticSpec spec;
  const std::string text = IsSynthetic(path) ? path.substr(sizeof kPrefix - 1) : "";
  const size_t by = text.find('x');
  const bool read = by != std::string::npos && Number(text.substr(0, by), &spec.classes) &&
                    Number(text.substr(by + 1), &spec.images);
  if (read && spec.classes >= 2 && spec.classes <= kSyntheticClassesMax &&
      spec.images >= spec.classes && spec.images <= kImagesMax) {
    return spec;
  }
  return Status(Code::kInvalidArgument,
                "'" + path + "': expected synthetic:CLASSESxIMAGES such as synthetic:8x512, with " +
                    "2 to " + std::to_string(kSyntheticClassesMax) +
                    " classes and at least an image of each");
}

SampleShape SyntheticImages::Shape() const {
  if (order_ == PixelOrder::kChannelsLast) return {{size_, size_, 3}, 1};
  return {{3, size_, size_}, 1};
}

std::string SyntheticImages::Digest() const {
  Encoder bytes;
  bytes.String("stemma synthetic images");
  bytes.U32(kVersion);
  for (const int64_t v : {spec_.classes, spec_.images, size_}) bytes.I64(v);
  bytes.U8(use_ == ImageUse::kTrain ? 1 : 0);
  bytes.U8(order_ == PixelOrder::kChannelsLast ? 1 : 0);
  return Sha256(bytes.bytes());
}

std::vector<std::string> SyntheticImages::Classes() const {
  std::vector<std::string> names;
  for (int64_t c = 0; c < spec_.classes; ++c) {
    names.push_back((c < 10 ? "class0" : "class") + std::to_string(c));
  }
  return names;
}

Status SyntheticImages::Read(int64_t id, const Cursor&, float* x, float* y) const {
  const int64_t label = id % spec_.classes;
  *y = static_cast<float>(label);
  Random draw(Key({static_cast<uint64_t>(id)}),
              use_ == ImageUse::kTrain ? "synthetic training" : "synthetic validation");
  const double phase = draw.Uniform();
  const auto contrast = static_cast<float>(.5 + .5 * draw.Uniform());
  float tint[3];
  for (float& t : tint) t = static_cast<float>(draw.Uniform() - .5);
  const Waves waves = WavesOf(label);
  const auto cycles = static_cast<double>(kCyclesPerStep) / static_cast<double>(size_);
  const bool last = order_ == PixelOrder::kChannelsLast;
  const int64_t pixel = last ? 3 : 1, channel = last ? 1 : size_ * size_;
  for (int64_t row = 0; row < size_; ++row) {
    for (int64_t column = 0; column < size_; ++column, x += pixel) {
      const auto turns = static_cast<double>(waves.x * column + waves.y * row) * cycles;
      const float level = contrast * Triangle(phase + turns);
      // One word of noise for three channels, ten bits each, uniform in [-0.5, 0.5).
      const uint32_t noise = draw.U32();
      for (int64_t c = 0; c < 3; ++c) {
        const uint32_t bits = (noise >> (10 * c)) & 1023;
        x[c * channel] = level + tint[c] + static_cast<float>(bits) / 1024.f - .5f;
      }
    }
  }
  return {};
}

}  // namespace stemma::models
