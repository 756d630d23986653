// Galaxies of real images as samples: three bands cut out of FITS files, and made into what the
// network sees by the same preparation as the simulated ones (picture.h).
//
//   STEMMA_ASSIGN_OR_RETURN(const auto data, SurveyImages::Make(disk, {"des.tsv"}));
//   STEMMA_RETURN_IF_ERROR(data->Read(17, {}, x, y));     // x: [3, 224, 224] in [0, 1], y: class
//
// Which galaxies, and where: catalogue.h. The class is 0 for an elliptical, 1 for a spiral and -1
// where nobody has labelled it, as in AidesDataset.
//
// Pixels without a value and pixels beyond an image's edge have the local background; WantingPixels
// says how many of a galaxy's are, and a galaxy with more than `wanting_max` of its pixels in any
// band is refused: one half of a galaxy is another form.
//
// Owner: whoever holds the pointer; the disk outlives it. Thread: any number at once. Failure: what
// ReadCatalogue and FitsImages say; kIncompatible with the galaxy's file for three bands of unequal
// sizes, for too many pixels without a value, and for a band in which all pixels are equal.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/status.h"
#include "lineage/storage.h"
#include "models/aides/catalogue.h"
#include "models/aides/own_galaxies.h"
#include "models/aides/picture.h"
#include "models/data/fits/fits_images.h"

namespace stemma::models {

struct SurveyImagesSettings {
  std::string catalogue;  // a table or a folder
  int64_t image = 224;    // pixels a side of a sample
  Rescale rescale = Rescale::kAllPixels;
  double wanting_max = .5;  // share of a cut-out's pixels
};

class SurveyImages final : public OwnGalaxies {
 public:
  // kInvalidArgument: an image side outside [71, 1024], a share outside [0, 1].
  static Result<std::shared_ptr<const SurveyImages>> Make(lineage::Storage& disk,
                                                          const SurveyImagesSettings& settings);

  int64_t Size() const override { return static_cast<int64_t>(catalogue_.entries.size()); }
  SampleShape Shape() const override { return {{3, settings_.image, settings_.image}, 1}; }
  // Of the catalogue, of its files' sizes and of the settings that decide a byte: images that
  // changed under the same names and sizes are not noticed.
  std::string Digest() const override;
  // `key` is not used.
  Status Read(int64_t id, const Cursor& key, float* x, float* y) const override;

  int LabelOf(int64_t id) const override {
    return catalogue_.entries[static_cast<size_t>(id)].label;
  }
  std::string Source() const override { return catalogue_.digest; }
  // Of the band that wants most of them, those without a value and those beyond the edge.
  // REQUIRES: 0 <= id < Size()
  Result<int64_t> WantingPixels(int64_t id) const;

 private:
  SurveyImages(lineage::Storage& disk, const SurveyImagesSettings& settings, Catalogue catalogue)
      : settings_(settings), catalogue_(std::move(catalogue)), images_(disk) {}
  Status Cut(size_t id, Exposure* exposure, int64_t* wanting) const;

  const SurveyImagesSettings settings_;
  const Catalogue catalogue_;
  const FitsImages images_;
};

}  // namespace stemma::models
