// Your own pictures of galaxies: FOLDER/elliptical/*.jpg and FOLDER/spiral/*.jpg, and those that
// nobody has labelled in FOLDER/unlabelled/*.jpg, already cut out and coloured. Each is resized by
// nearest neighbour (nearest.h) and divided by 255.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto data, FolderGalaxies::Open(disk, "/data/train", 224));
//
// The digest is FolderSource's (names and sizes of files) and the side. Only JPEG is read; the
// publication's PNGs have to be converted.
//
// Each rank lists the folder itself; the Trainer compares digests. Owner: whoever holds the
// pointer; the disk outlives it. Thread: any number at once. Failure of Open: see FolderSource,
// and kInvalidArgument for other classes, or only one of the two. Read names the file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/status.h"
#include "lineage/storage.h"
#include "models/aides/galaxy.h"
#include "models/aides/own_galaxies.h"
#include "models/data/images/folder_source.h"

namespace stemma::models {

class FolderGalaxies final : public OwnGalaxies {
 public:
  static Result<std::shared_ptr<const FolderGalaxies>> Open(lineage::Storage& disk,
                                                            const std::string& folder,
                                                            int64_t side);

  int64_t Size() const override { return images_->Size(); }
  SampleShape Shape() const override { return {{3, side_, side_}, 1}; }
  std::string Digest() const override;
  std::string NameOf(int64_t id) const override { return images_->NameOf(id); }
  Status Read(int64_t id, const Cursor& key, float* x, float* y) const override;
  int LabelOf(int64_t id) const override;
  std::string Source() const override { return images_->Digest(); }

 private:
  FolderGalaxies(std::shared_ptr<const FolderSource> images, int64_t side)
      : images_(std::move(images)), side_(side) {}

  const std::shared_ptr<const FolderSource> images_;
  const int64_t side_;
};

}  // namespace stemma::models
