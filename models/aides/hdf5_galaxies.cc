#include "models/aides/hdf5_galaxies.h"

#include <algorithm>
#include <cmath>

#include "core/bytes.h"
#include "core/digest.h"

namespace stemma::models {
namespace {

constexpr char kImages[] = "images", kLabels[] = "labels";
constexpr int64_t kHashed = 64;         // pictures that the digest is of
constexpr int64_t kPixelsMax = 100000;  // of a side

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t n : shape) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return "(" + text + ")";
}

}  // namespace

Result<std::shared_ptr<const Hdf5Galaxies>> Hdf5Galaxies::Open(lineage::Storage& disk,
                                                               const std::string& path,
                                                               int64_t side) {
  STEMMA_ASSIGN_OR_RETURN(const auto file, Hdf5File::Open(disk, path));
  std::shared_ptr<Hdf5Galaxies> galaxies(new Hdf5Galaxies(path, side));
  STEMMA_ASSIGN_OR_RETURN(galaxies->images_, file->Table(kImages));
  STEMMA_RETURN_IF_ERROR(galaxies->LookAtImages());
  STEMMA_RETURN_IF_ERROR(galaxies->ReadLabels(*file));
  STEMMA_RETURN_IF_ERROR(galaxies->FindSource());
  return std::shared_ptr<const Hdf5Galaxies>(std::move(galaxies));
}

Status Hdf5Galaxies::LookAtImages() {
  const std::vector<int64_t>& shape = images_->shape();
  colours_first_ = shape.size() == 4 && shape[1] == 3 && shape[3] != 3;
  if (shape.size() != 4 || (!colours_first_ && shape[3] != 3)) {
    return {Code::kIncompatible, path_ + ": table '" + kImages + "' has the shape " +
                                     ShapeText(shape) + ", expected (N, height, width, 3)"};
  }
  size_ = colours_first_ ? PictureSize{shape[2], shape[3]} : PictureSize{shape[1], shape[2]};
  if (std::max(size_.height, size_.width) > kPixelsMax) {
    return {Code::kIncompatible, path_ + ": pictures of " + ShapeText(shape) + " are too large"};
  }
  if (images_->of_integers() && !images_->of_bytes()) {
    return {Code::kIncompatible, path_ + ": table '" + kImages +
                                     "' holds integers that are not bytes, so nothing says which "
                                     "is white: convert it to uint8, or to float32 in [0, 1]"};
  }
  return {};
}

Status Hdf5Galaxies::ReadLabels(const Hdf5File& file) {
  labels_.assign(static_cast<size_t>(Size()), kNotLabelled);
  const std::vector<std::string>& names = file.names();
  if (std::find(names.begin(), names.end(), kLabels) == names.end()) return {};
  STEMMA_ASSIGN_OR_RETURN(const auto table, file.Table(kLabels));
  if (table->rows() != Size() || table->columns() != 1) {
    return {Code::kIncompatible,
            path_ + ": table '" + kLabels + "' has the shape " + ShapeText(table->shape()) +
                ", expected one label for each of " + std::to_string(Size()) + " images"};
  }
  for (int64_t id = 0; id < Size(); ++id) {
    double label = 0;
    STEMMA_RETURN_IF_ERROR(table->Read(id, &label));
    if (label != 0 && label != 1 && label != kNotLabelled) {
      return {Code::kIncompatible,
              path_ + ": table '" + kLabels + "', row " + std::to_string(id) +
                  ": expected 0 (elliptical), 1 (spiral) or -1 (not labelled)"};
    }
    labels_[static_cast<size_t>(id)] = static_cast<int>(label);
  }
  return {};
}

Status Hdf5Galaxies::FindSource() {
  Encoder facts;
  facts.String("aides hdf5 pictures 1");
  for (const int64_t n : images_->shape()) facts.I64(n);
  for (const int label : labels_) facts.U8(static_cast<uint8_t>(label));
  Sha256Stream digest;
  digest.Update(facts.bytes());
  std::vector<float> picture(static_cast<size_t>(images_->columns()));
  const int64_t hashed = std::min(Size(), kHashed);
  for (int64_t i = 0; i < hashed; ++i) {
    const int64_t row = hashed == 1 ? 0 : i * (Size() - 1) / (hashed - 1);
    STEMMA_RETURN_IF_ERROR(images_->Read(row, picture.data()));
    digest.Update({reinterpret_cast<const char*>(picture.data()), picture.size() * sizeof(float)});
  }
  source_ = digest.Finish();
  return {};
}

std::string Hdf5Galaxies::Digest() const {
  Encoder bytes;
  bytes.String("aides hdf5 pictures, nearest neighbour");
  bytes.String(source_);
  bytes.I64(side_);
  return Sha256(bytes.bytes());
}

std::string Hdf5Galaxies::NameOf(int64_t id) const {
  return path_ + ", picture " + std::to_string(id);
}

Status Hdf5Galaxies::Read(int64_t id, const Cursor&, float* x, float* y) const {
  thread_local std::vector<float> picture;
  picture.resize(static_cast<size_t>(images_->columns()));
  STEMMA_RETURN_IF_ERROR(images_->Read(id, picture.data()));
  if (!images_->of_bytes()) {
    for (float& value : picture) {
      if (!(value >= 0 && value <= 1)) {
        return {Code::kCorruption, NameOf(id) + " has a value that is not in [0, 1]"};
      }
      value = std::floor(value * 255 + .5F);
    }
  }
  const int64_t plane = size_.height * size_.width;
  ResizeNearest(
      size_, side_,
      [&](int64_t row, int64_t column, int64_t k) {
        const int64_t pixel = row * size_.width + column;
        return picture[static_cast<size_t>(colours_first_ ? k * plane + pixel : 3 * pixel + k)] /
               255;
      },
      x);
  *y = static_cast<float>(LabelOf(id));
  return {};
}

}  // namespace stemma::models
