// Your own pictures of galaxies in an HDF5 file: the table `images`, (N, height, width, 3) or
// (N, 3, height, width), of bytes or of floating-point numbers in [0, 1]; and `labels`, (N), 0 for
// an elliptical, 1 for a spiral, -1 for one that nobody has labelled. Without `labels` none is.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto data, Hdf5Galaxies::Open(disk, "/data/train.h5", 224));
//
// In h5py: file["images"] = pictures; file["labels"] = classes. Pictures are already cut out and
// coloured, red first, and are resized by nearest neighbour (nearest.h). Bytes are divided by 255;
// other numbers are rounded to the nearest of these values, so that a picture is 8 bits deep
// always.
//
// The digest is of the shape, the labels, the first and the last picture and some between them, and
// the side: other pictures whose changes all lie between these are not noticed. Compressed tables
// are read one picture at a time (models/data/hdf5).
//
// Owner: whoever holds the pointer; the disk outlives it. Thread: any number at once. Failure of
// Open: see Hdf5File; kIncompatible for other shapes, a label that is none, an integer type of
// pictures that is not a byte. Read: kCorruption with the file and the picture for a value outside
// [0, 1].
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/storage.h"
#include "models/aides/galaxy.h"
#include "models/aides/nearest.h"
#include "models/aides/own_galaxies.h"
#include "models/data/hdf5/hdf5_file.h"

namespace stemma::models {

class Hdf5Galaxies final : public OwnGalaxies {
 public:
  static Result<std::shared_ptr<const Hdf5Galaxies>> Open(lineage::Storage& disk,
                                                          const std::string& path, int64_t side);

  int64_t Size() const override { return images_->rows(); }
  SampleShape Shape() const override { return {{3, side_, side_}, 1}; }
  std::string Digest() const override;
  std::string NameOf(int64_t id) const override;
  Status Read(int64_t id, const Cursor& key, float* x, float* y) const override;
  int LabelOf(int64_t id) const override { return labels_[static_cast<size_t>(id)]; }
  std::string Source() const override { return source_; }

 private:
  Hdf5Galaxies(std::string path, int64_t side) : path_(std::move(path)), side_(side) {}
  Status LookAtImages();
  Status ReadLabels(const Hdf5File& file);
  Status FindSource();

  const std::string path_;
  const int64_t side_;
  std::shared_ptr<const Hdf5Table> images_;
  PictureSize size_;
  bool colours_first_ = false;  // (N, 3, height, width)
  std::vector<int> labels_;
  std::string source_;
};

}  // namespace stemma::models
