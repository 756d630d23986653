#include "models/data/images/image_dataset.h"

#include <algorithm>
#include <utility>

#include "core/bytes.h"
#include "core/digest.h"

namespace stemma::models {

namespace {

// Raised whenever the same settings begin to mean other floats.
constexpr uint32_t kVersion = 1;
constexpr int64_t kLabelMax = int64_t{1} << 24;  // a target is a float

}  // namespace

struct ImageDataset::Worker {
  ImagePreparer preparer;
  EncodedImage image;
};

ImageDataset::ImageDataset(std::shared_ptr<const ImageSource> images, const ImageSettings& settings,
                           ImageUse use, const BadSamplePolicy& policy)
    : images_(std::move(images)), settings_(settings), use_(use), policy_(policy) {}

ImageDataset::~ImageDataset() = default;

Result<std::shared_ptr<const ImageDataset>> ImageDataset::Make(
    std::shared_ptr<const ImageSource> images, const ImageSettings& settings, ImageUse use,
    const BadSamplePolicy& policy) {
  STEMMA_RETURN_IF_ERROR(Check(settings));
  return std::shared_ptr<const ImageDataset>(
      new ImageDataset(std::move(images), settings, use, policy));
}

SampleShape ImageDataset::Shape() const {
  const int64_t size = settings_.size;
  if (settings_.order == PixelOrder::kChannelsLast) return {{size, size, 3}, 1};
  return {{3, size, size}, 1};
}

std::string ImageDataset::Digest() const {
  Encoder bytes;
  bytes.String("stemma images");
  bytes.U32(kVersion);
  bytes.String(images_->Digest());
  bytes.U8(use_ == ImageUse::kTrain ? 1 : 0);
  bytes.I64(settings_.size);
  if (use_ == ImageUse::kTrain) {
    for (const double v :
         {settings_.area_min, settings_.area_max, settings_.aspect_min, settings_.aspect_max}) {
      bytes.F64(v);
    }
    bytes.U8(settings_.flip ? 1 : 0);
  } else {
    bytes.I64(settings_.resize_short);
  }
  bytes.U8(settings_.reduce ? 1 : 0);
  bytes.U8(settings_.order == PixelOrder::kChannelsLast ? 1 : 0);
  for (const double v : settings_.mean) bytes.F64(v);
  for (const double v : settings_.deviation) bytes.F64(v);
  bytes.U8(policy_.on_bad == OnBadSample::kSkip ? 1 : 0);
  return Sha256(bytes.bytes());
}

std::unique_ptr<ImageDataset::Worker> ImageDataset::TakeWorker() const {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Worker> worker = std::move(idle_.back());
      idle_.pop_back();
      return worker;
    }
  }
  // Make checked the settings.
  return std::unique_ptr<Worker>(new Worker{*ImagePreparer::Make(settings_), {}});
}

Status ImageDataset::Read(int64_t id, const Cursor& key, float* x, float* y) const {
  std::unique_ptr<Worker> worker = TakeWorker();
  const Status status = ReadWith(worker.get(), id, key, x, y);
  std::lock_guard<std::mutex> lock(mutex_);
  idle_.push_back(std::move(worker));
  return status;
}

Status ImageDataset::ReadWith(Worker* worker, int64_t id, const Cursor& key, float* x,
                              float* y) const {
  Status status = images_->Read(id, &worker->image);
  if (status.code() == Code::kNotFound) return BadSample(key, std::move(status), x, y);
  STEMMA_RETURN_IF_ERROR(status);
  if (worker->image.label > kLabelMax) {
    return {Code::kIncompatible, images_->NameOf(id) + ": class " +
                                     std::to_string(worker->image.label) +
                                     " is no exact float: number the classes from 0 on"};
  }
  if (policy_.label_end > 0 && worker->image.label >= policy_.label_end) {
    return {Code::kIncompatible,
            images_->NameOf(id) + ": class " + std::to_string(worker->image.label) +
                ", but the network has 0 to " + std::to_string(policy_.label_end - 1)};
  }
  *y = static_cast<float>(worker->image.label);
  status = worker->preparer.Prepare(worker->image.bytes, use_, key, x);
  if (status.ok()) return status;
  return BadSample(key, std::move(status).Within(images_->NameOf(id)), x, y);
}

Status ImageDataset::BadSample(const Cursor& key, Status reason, float* x, float* y) const {
  if (policy_.on_bad == OnBadSample::kFail) return reason;
  std::fill_n(x, Shape().XCount(), 0.f);
  *y = kNoLabel;
  return skipped_.Add(key.epoch, policy_.bad_max, std::move(reason));
}

BadSamples ImageDataset::Skipped(uint64_t epoch) const { return skipped_.Of(epoch); }

}  // namespace stemma::models
