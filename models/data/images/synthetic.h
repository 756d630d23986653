// Images that are made, not read: a classification task for tests, and for first steps without
// data.
//
//   STEMMA_ASSIGN_OR_RETURN(const SyntheticSpec spec, ParseSynthetic("synthetic:8x512"));
//   const SyntheticImages data(spec, 64, ImageUse::kTrain, PixelOrder::kChannelsFirst);
//
// An image is a grating whose direction and spacing are its class's own; phase, contrast, tint and
// noise differ from image to image. So colour and brightness say nothing, and a network has to look
// at shapes. Image i has the class i mod classes. The floats need no normalisation and lie in about
// [-2, 2]; nothing of them is drawn anew in the next epoch.
//
// What trains and what validates differ in every image. Equal arguments give equal bits on every
// machine: arithmetic alone, no libm. Real accuracies are never to be compared with these.
//
// Plain value; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "models/data/dataset.h"
#include "models/data/images/augment.h"

namespace stemma::models {

constexpr int64_t kSyntheticClassesMax = 60;

struct SyntheticSpec {
  int64_t classes = 0, images = 0;
};

// Whether `path` names made images: it begins with "synthetic:".
bool IsSynthetic(const std::string& path);
// kInvalidArgument: not "synthetic:CLASSESxIMAGES" with 2 to 60 classes and an image of each.
Result<SyntheticSpec> ParseSynthetic(const std::string& path);

class SyntheticImages final : public Dataset {
 public:
  SyntheticImages(const SyntheticSpec& spec, int64_t size, ImageUse use, PixelOrder order)
      : spec_(spec), size_(size), use_(use), order_(order) {}

  int64_t Size() const override { return spec_.images; }
  SampleShape Shape() const override;
  std::string Digest() const override;
  Status Read(int64_t id, const Cursor& key, float* x, float* y) const override;
  std::vector<std::string> Classes() const;  // "class00", "class01", ...

 private:
  const SyntheticSpec spec_;
  const int64_t size_;
  const ImageUse use_;
  const PixelOrder order_;
};

}  // namespace stemma::models
