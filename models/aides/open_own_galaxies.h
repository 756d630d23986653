// Opens your own pictures of galaxies by what their path is called:
//
//   path               what                                                    read by
//   FOLDER             JPEGs in elliptical/, spiral/ and unlabelled/           folder_galaxies.h
//   NAME.tsv           cut-outs of FITS images, one line for each galaxy       survey_images.h
//   NAME.h5, .hdf5     tables `images` and `labels`                            hdf5_galaxies.h
//
//   STEMMA_ASSIGN_OR_RETURN(const auto data, OpenOwnGalaxies(disk, "/data/des.h5", {224}));
//   STEMMA_RETURN_IF_ERROR(data->Read(17, {}, x, y));
//
// Owner, thread, failure: those of the three.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/status.h"
#include "lineage/storage.h"
#include "models/aides/own_galaxies.h"
#include "models/aides/picture.h"

namespace stemma::models {

struct OwnGalaxiesUse {
  int64_t image = 224;                    // pixels a side of a sample
  Rescale rescale = Rescale::kAllPixels;  // of FITS images; the others are scaled already
};

Result<std::shared_ptr<const OwnGalaxies>> OpenOwnGalaxies(lineage::Storage& disk,
                                                           const std::string& path,
                                                           const OwnGalaxiesUse& use);

}  // namespace stemma::models
