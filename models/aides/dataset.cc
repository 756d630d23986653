#include "models/aides/dataset.h"

#include <cmath>

#include "core/bytes.h"
#include "core/digest.h"

namespace stemma::models {

namespace {

// Raised whenever the same settings begin to mean other bytes.
constexpr uint32_t kGeneratorVersion = 1;
constexpr int64_t kImageMin = 71, kImageMax = 1024, kSizeMax = int64_t{1} << 40;

Status Refuse(const char* what, int64_t value, int64_t low, int64_t high) {
  return {Code::kInvalidArgument, std::string(what) + " = " + std::to_string(value) + " must be " +
                                      std::to_string(low) + " to " + std::to_string(high)};
}

}  // namespace

Result<std::shared_ptr<const AidesDataset>> AidesDataset::Make(const AidesData& data,
                                                               SurveyKind survey,
                                                               GalaxySplit split) {
  if (data.size < 1 || data.size > kSizeMax) {
    return Refuse("the number of galaxies", data.size, 1, kSizeMax);
  }
  if (data.image < kImageMin || data.image > kImageMax) {
    return Refuse("the side of an image", data.image, kImageMin, kImageMax);
  }
  return std::shared_ptr<const AidesDataset>(new AidesDataset(data, survey, split));
}

uint64_t AidesDataset::ObjectOf(int64_t id) const {
  return models::ObjectOf(static_cast<uint64_t>(data_.data_seed), split_,
                          static_cast<uint64_t>(id));
}

Galaxy AidesDataset::GalaxyOf(int64_t id) const {
  return DrawGalaxy(static_cast<uint64_t>(data_.data_seed), ObjectOf(id));
}

std::string AidesDataset::Digest() const {
  Encoder bytes;
  bytes.String("aides simulated galaxies");
  bytes.U32(kGeneratorVersion);
  bytes.U32(static_cast<uint32_t>(survey_.kind()));
  bytes.U32(static_cast<uint32_t>(split_));
  bytes.U32(static_cast<uint32_t>(data_.rescale));
  bytes.I64(data_.image);
  bytes.I64(data_.size);
  bytes.I64(data_.data_seed);
  return Sha256(bytes.bytes());
}

Status AidesDataset::Read(int64_t id, const Cursor&, float* x, float* y) const {
  const uint64_t seed = static_cast<uint64_t>(data_.data_seed), object = ObjectOf(id);
  const Galaxy galaxy = DrawGalaxy(seed, object);
  const Exposure exposure = survey_.Expose(galaxy, {seed, object});
  double sum = 0;
  for (const auto& band : exposure.bands) {
    for (const double v : band) sum += v;
  }
  if (!std::isfinite(sum)) {
    return {Code::kInternal, "the image of object " + std::to_string(object) + " of seed " +
                                 std::to_string(data_.data_seed) + " is not finite"};
  }
  NetworkInput(MakePicture(exposure, data_.rescale), static_cast<size_t>(data_.image), x);
  y[0] = split_ == GalaxySplit::kUnlabelled ? -1 : static_cast<float>(galaxy.kind);
  return {};
}

}  // namespace stemma::models
