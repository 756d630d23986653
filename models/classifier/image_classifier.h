// A network that tells classes of images apart, as the Trainer sees it: cross entropy, top-1 and
// top-5 on the images of a disk. ResNet-50 and VGG-16 are such; what is theirs is the network.
//
// Training loss: cross entropy of smoothed labels, summed over the rows of the batch that have a
// label. A row without one, which is what images.on_bad = skip makes of an image that cannot be
// decoded, adds nothing to the loss, to its gradient and to top1. It stays in the batch all the
// same: as an image of the mean colour it takes part in the statistics of batch norms, and the
// Trainer divides by all rows. With k such rows among B the gradient is that of the others' mean
// times (B - k) / B, on any number of ranks. In an evaluation rows without a label do not count.
//
// Validation loss: cross entropy without smoothing, so that runs that differ in it compare. top1
// and top5 are counts of rows whose label is among the one or five largest logits; of equal logits
// the lower class goes first. With five classes or fewer every row is in top5.
//
// Thread: the loop's. LibTorch's exceptions may leave Loss and Evaluate.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "core/cohort.h"
#include "core/status.h"
#include "lineage/storage.h"
#include "models/data/images/open_images.h"
#include "models/train/workload.h"

namespace stemma::models {

// Rows of `logits` [n, K] whose label is among the `k` largest. `labels` int64 [n]; a row with
// kIgnoredLabel, or whose own logit is not a number, is none of them.
double CountAmongLargest(const at::Tensor& logits, const at::Tensor& labels, int64_t k);

// What a classifier is given besides its network.
struct ClassifierInputs {
  OpenedImages images;
  PixelOrder order = PixelOrder::kChannelsFirst;
  at::Device device = at::kCPU;
};

// What a network asks for before it can be made.
struct ClassifierNeeds {
  std::string network;   // "ResNet-50", for messages
  std::string section;   // of its settings, "resnet50"
  int64_t side_min = 1;  // of images, in pixels
  int64_t classes = 0;   // of its head; 0: those of images.train
  bool channels_last = false;
};

// Collective; `disk` outlives what is opened. Failure, the same on every rank: DeviceOf's,
// OpenImages's; images below side_min.
Result<ClassifierInputs> OpenClassifierInputs(const ClassifierNeeds& needs,
                                              const ImageDataSettings& images,
                                              const std::string& device, lineage::Storage& disk,
                                              Cohort& cohort);

class ImageClassifier : public Workload {
 public:
  // parts: "top1", the rows that the network got right while it learnt from them.
  at::Tensor Loss(const Batch& batch, LossParts* parts) override;
  std::shared_ptr<const Dataset> TrainData() const override { return inputs_.images.train; }
  std::shared_ptr<const Dataset> ValidationData() const override {
    return inputs_.images.validation;
  }
  // Tells of the images that images.on_bad = skip left out.
  Status EndEpoch(uint64_t epoch, Cohort& cohort) override;
  // sums: "loss", "top1", "top5".
  Evaluated Evaluate(const Batch& batch) override;

  int64_t classes() const { return inputs_.images.classes; }

 protected:
  ImageClassifier(ClassifierInputs inputs, double label_smoothing);
  at::Device device() const { return inputs_.device; }

 private:
  virtual at::Tensor Forward(const at::Tensor& images) = 0;  // [N, 3, H, W] -> logits
  at::Tensor Logits(const Batch& batch);
  at::Tensor Labels(const Batch& batch) const;

  const ClassifierInputs inputs_;
  const double label_smoothing_;
};

}  // namespace stemma::models
