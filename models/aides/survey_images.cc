#include "models/aides/survey_images.h"

#include <algorithm>
#include <vector>

#include "core/bytes.h"
#include "core/digest.h"

namespace stemma::models {
namespace {

// Raised whenever the same files begin to mean other bytes.
constexpr uint32_t kPreparationVersion = 1;
constexpr int64_t kImageMin = 71, kImageMax = 1024;  // the network wants 71 at least

}  // namespace

Result<std::shared_ptr<const SurveyImages>> SurveyImages::Make(
    lineage::Storage& disk, const SurveyImagesSettings& settings) {
  if (settings.image < kImageMin || settings.image > kImageMax) {
    return Status(Code::kInvalidArgument,
                  "the side of an image = " + std::to_string(settings.image) + " must be " +
                      std::to_string(kImageMin) + " to " + std::to_string(kImageMax));
  }
  if (!(settings.wanting_max >= 0 && settings.wanting_max <= 1)) {
    return Status(Code::kInvalidArgument,
                  "the share of pixels without a value = " + std::to_string(settings.wanting_max) +
                      " must be 0 to 1");
  }
  STEMMA_ASSIGN_OR_RETURN(Catalogue catalogue, ReadCatalogue(disk, settings.catalogue));
  return std::shared_ptr<const SurveyImages>(
      new SurveyImages(disk, settings, std::move(catalogue)));
}

std::string SurveyImages::Digest() const {
  Encoder bytes;
  bytes.String("aides survey images");
  bytes.U32(kPreparationVersion);
  bytes.String(catalogue_.digest);
  bytes.U32(static_cast<uint32_t>(settings_.rescale));
  bytes.I64(settings_.image);
  return Sha256(bytes.bytes());
}

Status SurveyImages::Cut(size_t id, Exposure* exposure, int64_t* wanting) const {
  FitsCutout cutout;
  *wanting = 0;
  for (int band = 0; band < kBands; ++band) {
    const std::string path = catalogue_.PathOf(id, band);
    STEMMA_RETURN_IF_ERROR(images_.Cut(path, catalogue_.entries[id].square, &cutout));
    const auto side = static_cast<size_t>(cutout.side);
    if (band > 0 && side != exposure->side) {
      return {Code::kIncompatible, path + " is " + std::to_string(side) +
                                       " pixels wide, the bands before it " +
                                       std::to_string(exposure->side)};
    }
    exposure->side = side;
    exposure->bands[static_cast<size_t>(band)].assign(cutout.pixels.begin(), cutout.pixels.end());
    *wanting = std::max(*wanting, cutout.empty + cutout.outside);
  }
  return {};
}

Status SurveyImages::Read(int64_t id, const Cursor&, float* x, float* y) const {
  Exposure exposure;
  int64_t wanting = 0;
  const auto number = static_cast<size_t>(id);
  STEMMA_RETURN_IF_ERROR(Cut(number, &exposure, &wanting));
  const auto pixels = static_cast<double>(exposure.side * exposure.side);
  if (static_cast<double>(wanting) > settings_.wanting_max * pixels) {
    return {Code::kIncompatible, catalogue_.entries[number].file + ": " + std::to_string(wanting) +
                                     " of the cut-out's " +
                                     std::to_string(exposure.side * exposure.side) +
                                     " pixels have no value or lie beyond the image's edge; leave "
                                     "the galaxy out of the catalogue"};
  }
  // Surveys fill with zeros what no detector has seen; scaled, it would be a black band.
  for (int band = 0; band < kBands; ++band) {
    const std::vector<double>& seen = exposure.bands[static_cast<size_t>(band)];
    const auto [low, high] = std::minmax_element(seen.begin(), seen.end());
    if (*low < *high) continue;
    return {Code::kIncompatible, catalogue_.PathOf(number, band) +
                                     ": all pixels of the cut-out have the same value, so nothing "
                                     "was seen there; leave the galaxy out of the catalogue"};
  }
  NetworkInput(MakePicture(exposure, settings_.rescale), static_cast<size_t>(settings_.image), x);
  y[0] = static_cast<float>(catalogue_.entries[number].label);
  return {};
}

Result<int64_t> SurveyImages::WantingPixels(int64_t id) const {
  Exposure exposure;
  int64_t wanting = 0;
  STEMMA_RETURN_IF_ERROR(Cut(static_cast<size_t>(id), &exposure, &wanting));
  return wanting;
}

}  // namespace stemma::models
