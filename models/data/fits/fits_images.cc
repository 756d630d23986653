#include "models/data/fits/fits_images.h"

#include <fitsio.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <list>
#include <mutex>

#include "models/data/fits/square.h"

namespace stemma::models {
namespace {

constexpr size_t kIdleMax = 64;
constexpr int kHdusMax = 10'000;

// One open file, moved to its image. Used by one thread at a time.
struct Image {
  explicit Image(std::string name) : path(std::move(name)) {}
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;
  ~Image() {
    int ignored = 0;
    if (file != nullptr) fits_close_file(file, &ignored);
  }
  const std::string path;
  fitsfile* file = nullptr;
  long shape[2] = {0, 0};  // columns, rows
};

// The library's own lock, where it has none: held by whoever calls it.
std::unique_lock<std::mutex> AloneIfNeeded() {
  static std::mutex* const mutex = new std::mutex;
  static const bool threads = fits_is_reentrant() != 0;
  return threads ? std::unique_lock<std::mutex>() : std::unique_lock<std::mutex>(*mutex);
}

Status Failed(const std::string& path, const std::string& what, int status) {
  char words[FLEN_STATUS] = "";
  fits_get_errstatus(status, words);
  return {Code::kCorruption,
          path + ": " + what + ": " + words + " (CFITSIO " + std::to_string(status) + ")"};
}

// Moves to the first HDU with two dimensions.
Status FindImage(Image* image) {
  for (int hdu = 1; hdu <= kHdusMax; ++hdu) {
    int status = 0, kind = 0, bits = 0, dimensions = 0;
    fits_movabs_hdu(image->file, hdu, &kind, &status);
    if (status == END_OF_FILE && hdu > 1) break;
    if (status != 0) return Failed(image->path, "HDU " + std::to_string(hdu), status);
    if (kind != IMAGE_HDU && fits_is_compressed_image(image->file, &status) == 0) continue;
    fits_get_img_param(image->file, 2, &bits, &dimensions, image->shape, &status);
    if (status != 0) return Failed(image->path, "HDU " + std::to_string(hdu), status);
    if (dimensions == 2 && image->shape[0] > 0 && image->shape[1] > 0) return {};
  }
  return {Code::kIncompatible, image->path + " holds no image of two dimensions"};
}

Result<std::unique_ptr<Image>> OpenImage(lineage::Storage& disk, const std::string& path) {
  // The library would go on with PATH.gz and the like.
  STEMMA_RETURN_IF_ERROR(disk.SizeOf(path).status());
  auto image = std::make_unique<Image>(path);
  int status = 0;
  fits_open_diskfile(&image->file, path.c_str(), READONLY, &status);
  if (status != 0) {
    image->file = nullptr;
    return Failed(path, "cannot be opened", status);
  }
  STEMMA_RETURN_IF_ERROR(FindImage(image.get()));
  return image;
}

// The part of the square that is in the image, into its place; NaN for a pixel without a value.
Status ReadPart(const Image& image, const FitsSquare& square, FitsCutout* cutout) {
  const int64_t left = std::max<int64_t>(square.left, 0);
  const int64_t bottom = std::max<int64_t>(square.bottom, 0);
  const int64_t right = std::min<int64_t>(square.left + square.side, image.shape[0]);
  const int64_t top = std::min<int64_t>(square.bottom + square.side, image.shape[1]);
  if (left >= right || bottom >= top) {
    return {Code::kIncompatible, image.path + ": the square of " + std::to_string(square.side) +
                                     " pixels at column " + std::to_string(square.left) + ", row " +
                                     std::to_string(square.bottom) + " lies beyond the image of " +
                                     std::to_string(image.shape[0]) + " x " +
                                     std::to_string(image.shape[1])};
  }
  const int64_t columns = right - left;
  std::vector<float> part(static_cast<size_t>(columns * (top - bottom)));
  long first[2] = {left + 1, bottom + 1}, last[2] = {right, top}, step[2] = {1, 1};
  float no_value = std::numeric_limits<float>::quiet_NaN();
  int some = 0, status = 0;
  fits_read_subset(image.file, TFLOAT, first, last, step, &no_value, part.data(), &some, &status);
  if (status != 0) return Failed(image.path, "cannot be read", status);
  cutout->outside -= static_cast<int64_t>(part.size());
  for (int64_t row = bottom; row < top; ++row) {
    std::copy_n(&part[static_cast<size_t>((row - bottom) * columns)], columns,
                &cutout->pixels[static_cast<size_t>((row - square.bottom) * square.side + left -
                                                    square.left)]);
  }
  return {};
}

// The whole image as a square, and what is asked of any.
Status Complete(const Image& image, FitsSquare* square) {
  if (square->side == 0) {
    if (image.shape[0] != image.shape[1]) {
      return {Code::kIncompatible, image.path + " has an image of " +
                                       std::to_string(image.shape[0]) + " x " +
                                       std::to_string(image.shape[1]) +
                                       " pixels, expected a square; say which part is wanted"};
    }
    *square = {0, 0, image.shape[0]};
  }
  if (square->side >= 1 && square->side <= kFitsSideMax) return {};
  return {Code::kInvalidArgument, image.path + ": a square of " + std::to_string(square->side) +
                                      " pixels a side must have 1 to " +
                                      std::to_string(kFitsSideMax)};
}

}  // namespace

// What is kept open, the latest at the end.
struct FitsImages::Open {
  explicit Open(lineage::Storage& files) : disk(files) {}

  Result<std::unique_ptr<Image>> Take(const std::string& path) {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      for (auto at = idle.begin(); at != idle.end(); ++at) {
        if ((*at)->path != path) continue;
        std::unique_ptr<Image> image = std::move(*at);
        idle.erase(at);
        return image;
      }
    }
    return OpenImage(disk, path);
  }

  void GiveBack(std::unique_ptr<Image> image) {
    std::unique_ptr<Image> oldest;  // closed without the lock
    const std::lock_guard<std::mutex> lock(mutex);
    idle.push_back(std::move(image));
    if (idle.size() <= kIdleMax) return;
    oldest = std::move(idle.front());
    idle.pop_front();
  }

  lineage::Storage& disk;
  std::mutex mutex;
  std::list<std::unique_ptr<Image>> idle;
};

FitsImages::FitsImages(lineage::Storage& disk) : open_(std::make_unique<Open>(disk)) {}

FitsImages::~FitsImages() {
  const auto alone = AloneIfNeeded();
  open_->idle.clear();
}

Status FitsImages::Cut(const std::string& path, const FitsSquare& wanted,
                       FitsCutout* cutout) const {
  const auto alone = AloneIfNeeded();
  STEMMA_ASSIGN_OR_RETURN(std::unique_ptr<Image> image, open_->Take(path));
  FitsSquare square = wanted;
  STEMMA_RETURN_IF_ERROR(Complete(*image, &square));
  internal::ClearCutout(square.side, cutout);
  STEMMA_RETURN_IF_ERROR(ReadPart(*image, square, cutout));
  STEMMA_RETURN_IF_ERROR(internal::FillEmpty(path, cutout));
  open_->GiveBack(std::move(image));
  return {};
}

}  // namespace stemma::models
