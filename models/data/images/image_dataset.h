// Images from a disk as samples: what the loader reads and a network trains on. Free of LibTorch.
//
//   STEMMA_ASSIGN_OR_RETURN(auto images, ShardSource::Open(disk, path, cohort));
//   STEMMA_ASSIGN_OR_RETURN(auto data, ImageDataset::Make(images, settings, ImageUse::kTrain, {}));
//   STEMMA_ASSIGN_OR_RETURN(auto loader, Loader::Start(data, loader_settings, shard, cursor));
//
// A sample is Shape().x floats, {3, size, size} or {size, size, 3}, and one target: its class. One
// above 2^24, which float32 has not exactly, ends the run, and so does one from `label_end` on.
//
// An image that cannot be decoded, or whose file is gone, ends the run, with its name. With
// OnBadSample::kSkip it becomes zeros with the target kNoLabel, which a loss and a metric leave
// out; at most `bad_max` of them in an epoch, counted on this rank. The log names the first
// kBadNamesMax of an epoch, and at its end TellBadSamples says what all ranks have skipped. A disk
// that fails, and a shard that is not what its index says, always end the run.
//
// Owner: whoever holds the pointer. Thread: any number at once; as many decoders exist as threads
// ever read at the same time.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/status.h"
#include "models/data/dataset.h"
#include "models/data/images/augment.h"
#include "models/data/images/bad_samples.h"
#include "models/data/images/image_source.h"
#include "models/data/images/prepare.h"

namespace stemma::models {

enum class OnBadSample { kFail, kSkip };

struct BadSamplePolicy {
  OnBadSample on_bad = OnBadSample::kFail;
  int64_t bad_max = 100;
  int64_t label_end = 0;  // labels are below it; 0: any. Not a matter of on_bad
};

class ImageDataset final : public Dataset {
 public:
  // kInvalidArgument: see Check(ImageSettings).
  static Result<std::shared_ptr<const ImageDataset>> Make(std::shared_ptr<const ImageSource> images,
                                                          const ImageSettings& settings,
                                                          ImageUse use,
                                                          const BadSamplePolicy& policy);
  ~ImageDataset() override;

  int64_t Size() const override { return images_->Size(); }
  SampleShape Shape() const override;
  std::vector<int64_t> Groups() const override { return images_->Groups(); }
  std::string NameOf(int64_t id) const override { return images_->NameOf(id); }
  // Of the images and of all settings that decide a float. Not of libjpeg's version, which belongs
  // into the environment's record: JpegVersion().
  std::string Digest() const override;
  Status Read(int64_t id, const Cursor& key, float* x, float* y) const override;

  const std::vector<std::string>& Classes() const { return images_->Classes(); }
  // What was skipped in `epoch` so far. The loader reads ahead, so this may count what was not
  // consumed yet.
  BadSamples Skipped(uint64_t epoch) const;

 private:
  struct Worker;  // what one thread reads with
  ImageDataset(std::shared_ptr<const ImageSource> images, const ImageSettings& settings,
               ImageUse use, const BadSamplePolicy& policy);
  std::unique_ptr<Worker> TakeWorker() const;
  Status ReadWith(Worker* worker, int64_t id, const Cursor& key, float* x, float* y) const;
  Status BadSample(const Cursor& key, Status reason, float* x, float* y) const;

  const std::shared_ptr<const ImageSource> images_;
  const ImageSettings settings_;
  const ImageUse use_;
  const BadSamplePolicy policy_;

  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Worker>> idle_;
  mutable SkippedSamples skipped_;
};

}  // namespace stemma::models
