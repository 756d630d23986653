// In a build with --define fits=off: everything says so.
#include "models/data/fits/fits_images.h"

namespace stemma::models {

struct FitsImages::Open {};

FitsImages::FitsImages(lineage::Storage&) {}
FitsImages::~FitsImages() = default;

Status FitsImages::Cut(const std::string& path, const FitsSquare&, FitsCutout*) const {
  return {Code::kIncompatible,
          path +
              ": this build has no CFITSIO; build it without --define "
              "fits=off (Debian's libcfitsio-dev, which tools/setup installs)"};
}

}  // namespace stemma::models
