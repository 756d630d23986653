#include "models/aides/folder_galaxies.h"

#include <algorithm>
#include <vector>

#include "core/bytes.h"
#include "core/cohort.h"
#include "core/digest.h"
#include "models/aides/nearest.h"
#include "models/data/images/jpeg.h"

namespace stemma::models {
namespace {

constexpr char kElliptical[] = "elliptical", kSpiral[] = "spiral", kUnlabelled[] = "unlabelled";

bool Has(const std::vector<std::string>& classes, const char* name) {
  return std::find(classes.begin(), classes.end(), name) != classes.end();
}

}  // namespace

Result<std::shared_ptr<const FolderGalaxies>> FolderGalaxies::Open(lineage::Storage& disk,
                                                                   const std::string& folder,
                                                                   int64_t side) {
  SoloCohort alone;
  STEMMA_ASSIGN_OR_RETURN(auto images, FolderSource::Open(disk, folder, alone));
  const std::vector<std::string>& classes = images->Classes();
  const bool both = Has(classes, kElliptical) && Has(classes, kSpiral);
  const bool rest = Has(classes, kUnlabelled);
  if (classes.size() != (both ? 2U : 0U) + (rest ? 1U : 0U)) {
    return Status(Code::kInvalidArgument,
                  folder +
                      " must have the two folders elliptical and spiral, or unlabelled, or all "
                      "three, and no other");
  }
  return std::shared_ptr<const FolderGalaxies>(new FolderGalaxies(std::move(images), side));
}

std::string FolderGalaxies::Digest() const {
  Encoder bytes;
  bytes.String("aides pictures, nearest neighbour");
  bytes.String(images_->Digest());
  bytes.I64(side_);
  return Sha256(bytes.bytes());
}

Status FolderGalaxies::Read(int64_t id, const Cursor&, float* x, float* y) const {
  EncodedImage image;
  STEMMA_RETURN_IF_ERROR(images_->Read(id, &image));
  JpegDecoder decoder;
  auto size = decoder.Start(image.bytes);
  if (!size.ok()) return Status(size.status()).Within(images_->NameOf(id));
  Pixels pixels;
  Status decoded = decoder.Decode(1, {0, 0, size->width, size->height}, &pixels);
  if (!decoded.ok()) return std::move(decoded).Within(images_->NameOf(id));
  ResizeNearest(
      {size->height, size->width}, side_,
      [&](int64_t row, int64_t column, int64_t k) {
        return static_cast<float>(pixels.row(static_cast<int>(row))[kPixelBytes * column + k]) /
               255;
      },
      x);
  *y = static_cast<float>(LabelOf(id));
  return {};
}

int FolderGalaxies::LabelOf(int64_t id) const {
  const std::string& name = images_->Classes()[static_cast<size_t>(images_->LabelOf(id))];
  return name == kUnlabelled ? kNotLabelled : name == kSpiral ? 1 : 0;
}

}  // namespace stemma::models
