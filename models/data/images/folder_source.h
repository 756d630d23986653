// Images in class folders: FOLDER/CLASS/NAME.jpg. Labels are the positions of the classes in the
// byte-wise order of their names, torchvision's rule; images are numbered class by class in the
// order of their names.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto images, FolderSource::Open(disk, "/data/train", cohort));
//   images->Classes();                                   // {"n01440764", "n01443537", ...}
//
// Taken are files called .jpg or .jpeg, in any case; names that begin with a dot and files beside
// the class folders are passed over, other files in them are counted (others()). Links are
// followed, but nothing is looked for deeper: a folder inside a class is an error, and so no link
// leads in circles. What is called .jpg and is no JPEG shows when it is read, by its first bytes.
//
// The digest is of class names, file names and sizes: reading 130 GB at each start is no option. A
// file whose bytes changed under the same name and size is not noticed; shards notice it.
//
// Rank 0 looks, the others get its answer. One file per image is hard on network file systems: a
// folder on one of them is a warning in the log that names `stemma data pack`.
//
// Owner: whoever holds the pointer; the disk outlives it. Failure: kNotFound without classes or
// with an empty one, or for a link to nothing; kInvalidArgument for a folder inside a class; what
// the disk says, such as of a folder that may not be read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/cohort.h"
#include "core/status.h"
#include "lineage/storage.h"
#include "models/data/images/image_source.h"

namespace stemma::models {

class FolderSource final : public ImageSource {
 public:
  // Collective.
  static Result<std::shared_ptr<const FolderSource>> Open(lineage::Storage& disk,
                                                          const std::string& folder,
                                                          Cohort& cohort);

  int64_t Size() const override { return static_cast<int64_t>(name_ends_.size()); }
  const std::vector<std::string>& Classes() const override { return classes_; }
  std::string Digest() const override { return digest_; }
  std::string NameOf(int64_t id) const override;  // the path
  Status Read(int64_t id, EncodedImage* image) const override;

  // REQUIRES: 0 <= id < Size()
  int64_t LabelOf(int64_t id) const;
  std::string FileOf(int64_t id) const;  // "n01440764_10026.jpg"
  int64_t others() const { return others_; }

 private:
  FolderSource(lineage::Storage& disk, std::string folder)
      : disk_(disk), folder_(std::move(folder)) {}
  Status Decode(const std::string& table);

  lineage::Storage& disk_;
  const std::string folder_;
  std::vector<std::string> classes_;
  std::vector<int64_t> class_ends_;  // the first number behind each class
  std::string names_;                // one after the other ...
  std::vector<uint64_t> name_ends_;  // ... and where each ends
  int64_t others_ = 0;
  std::string digest_;
};

}  // namespace stemma::models
