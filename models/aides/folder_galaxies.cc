#include "models/aides/folder_galaxies.h"

#include <vector>

#include "core/bytes.h"
#include "core/cohort.h"
#include "core/digest.h"
#include "models/data/images/jpeg.h"

namespace stemma::models {

Result<std::shared_ptr<const FolderGalaxies>> FolderGalaxies::Open(lineage::Storage& disk,
                                                                   const std::string& folder,
                                                                   int64_t side) {
  SoloCohort alone;
  STEMMA_ASSIGN_OR_RETURN(auto images, FolderSource::Open(disk, folder, alone));
  if (images->Classes() != std::vector<std::string>{"elliptical", "spiral"}) {
    return Status(Code::kInvalidArgument,
                  folder + " must have the two folders elliptical and spiral, and no other");
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
  const int64_t plane = side_ * side_;
  for (int64_t r = 0; r < side_; ++r) {
    const uint8_t* const row = pixels.row(static_cast<int>(r * size->height / side_));
    for (int64_t c = 0; c < side_; ++c) {
      const uint8_t* const rgb = row + kPixelBytes * (c * size->width / side_);
      for (int64_t k = 0; k < 3; ++k) {
        x[k * plane + r * side_ + c] = static_cast<float>(rgb[k]) / 255;
      }
    }
  }
  *y = static_cast<float>(image.label);
  return {};
}

}  // namespace stemma::models
