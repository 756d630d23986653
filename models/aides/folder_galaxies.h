// Your own pictures of galaxies: FOLDER/elliptical/*.jpg and FOLDER/spiral/*.jpg, already cut out
// and coloured. Each is resized by nearest neighbour to the network's side and divided by 255, as
// the publication did with its pictures of 200 pixels.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto data, FolderGalaxies::Open(disk, "/data/train", 224));
//
// The class is 0 for elliptical and 1 for spiral. The digest is FolderSource's (names and sizes of
// files) and the side. Only JPEG is read; the publication's PNGs have to be converted. FITS images
// are not read here: another Dataset that gives [3, side, side] in [0, 1] and a class takes its
// place.
//
// Each rank lists the folder itself; the Trainer compares digests. Owner: whoever holds the
// pointer; the disk outlives it. Thread: any number at once. Failure of Open: see FolderSource,
// and kInvalidArgument for other classes. Read names the file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/status.h"
#include "lineage/storage.h"
#include "models/data/dataset.h"
#include "models/data/images/folder_source.h"

namespace stemma::models {

class FolderGalaxies final : public Dataset {
 public:
  static Result<std::shared_ptr<const FolderGalaxies>> Open(lineage::Storage& disk,
                                                            const std::string& folder,
                                                            int64_t side);

  int64_t Size() const override { return images_->Size(); }
  SampleShape Shape() const override { return {{3, side_, side_}, 1}; }
  std::string Digest() const override;
  Status Read(int64_t id, const Cursor& key, float* x, float* y) const override;

 private:
  FolderGalaxies(std::shared_ptr<const FolderSource> images, int64_t side)
      : images_(std::move(images)), side_(side) {}

  const std::shared_ptr<const FolderSource> images_;
  const int64_t side_;
};

}  // namespace stemma::models
