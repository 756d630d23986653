#include "models/aides/open_own_galaxies.h"

#include <string_view>

#include "models/aides/folder_galaxies.h"
#include "models/aides/hdf5_galaxies.h"
#include "models/aides/survey_images.h"

namespace stemma::models {
namespace {

bool EndsWith(const std::string& path, std::string_view end) {
  return path.size() > end.size() && path.compare(path.size() - end.size(), end.size(), end) == 0;
}

template <typename Galaxies>
Result<std::shared_ptr<const OwnGalaxies>> Own(Result<std::shared_ptr<const Galaxies>> galaxies) {
  if (!galaxies.ok()) return galaxies.status();
  return std::shared_ptr<const OwnGalaxies>(std::move(*galaxies));
}

}  // namespace

Result<std::shared_ptr<const OwnGalaxies>> OpenOwnGalaxies(lineage::Storage& disk,
                                                           const std::string& path,
                                                           const OwnGalaxiesUse& use) {
  if (EndsWith(path, ".tsv")) return Own(SurveyImages::Make(disk, {path, use.image, use.rescale}));
  if (EndsWith(path, ".h5") || EndsWith(path, ".hdf5")) {
    return Own(Hdf5Galaxies::Open(disk, path, use.image));
  }
  return Own(FolderGalaxies::Open(disk, path, use.image));
}

}  // namespace stemma::models
