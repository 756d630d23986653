// ResNet-50 on images as the Trainer sees it: the network, cross entropy, and the images of a disk.
//
//   STEMMA_ASSIGN_OR_RETURN(
//       auto resnet, ResNet50Workload::Make(settings.resnet50, settings.images, seed, "cpu",
//                                           lineage::PosixStorage(), cohort));
//
// Training loss: cross entropy of smoothed labels, summed over the rows of the batch that have a
// label. A row without one, which is what images.on_bad = skip makes of an image that cannot be
// decoded, adds nothing to the loss, to its gradient and to top1. It stays in the batch all the
// same: as an image of the mean colour it takes part in the batch norms' statistics, and the
// Trainer divides by all rows. With k such rows among B the gradient is that of the others' mean
// times (B - k) / B, on any number of ranks. In an evaluation rows without a label do not count.
//
// Validation loss: cross entropy without smoothing, so that runs that differ in it compare. top1
// and top5 are counts of rows whose label is among the one or five largest logits; of equal logits
// the lower class goes first. With five classes or fewer every row is in top5.
//
// Thread: the loop's. LibTorch's exceptions may leave Loss and Evaluate.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/cohort.h"
#include "core/status.h"
#include "lineage/storage.h"
#include "models/data/images/open_images.h"
#include "models/resnet50/network.h"
#include "models/resnet50/settings.h"
#include "models/train/workload.h"

namespace stemma::models {

// Rows of `logits` [n, K] whose label is among the `k` largest. `labels` int64 [n]; a row with
// kIgnoredLabel, or whose own logit is not a number, is none of them.
double CountAmongLargest(const at::Tensor& logits, const at::Tensor& labels, int64_t k);

class ResNet50Workload final : public Workload {
 public:
  // Collective. Initial parameters depend on `seed` and their names; `disk` outlives the workload.
  // Failure, the same on every rank: DeviceOf's, OpenImages's; images below 32 x 32.
  static Result<std::unique_ptr<ResNet50Workload>> Make(const ResNet50Settings& settings,
                                                        const ImageDataSettings& images,
                                                        uint64_t seed, const std::string& device,
                                                        lineage::Storage& disk, Cohort& cohort);

  std::string name() const override { return "resnet50"; }
  std::vector<ops::Parameter> Parameters() override { return network_.parameters(); }
  std::vector<ops::Buffer> Buffers() override { return network_.buffers(); }
  void SetTraining(bool training) override { network_.SetTraining(training); }
  bool UseGate(Gate* gate) override {
    network_.UseGate(gate);
    return true;
  }
  // parts: "top1", the rows that the network got right while it learnt from them.
  at::Tensor Loss(const Batch& batch, LossParts* parts) override;
  std::shared_ptr<const Dataset> TrainData() const override { return images_.train; }
  std::shared_ptr<const Dataset> ValidationData() const override { return images_.validation; }
  // Tells of the images that images.on_bad = skip left out.
  Status EndEpoch(uint64_t epoch, Cohort& cohort) override;
  // sums: "loss", "top1", "top5".
  Evaluated Evaluate(const Batch& batch) override;

  int64_t classes() const { return images_.classes; }

 private:
  ResNet50Workload(const ResNet50Settings& settings, OpenedImages images, uint64_t seed,
                   at::Device device);
  at::Tensor Logits(const Batch& batch);
  at::Tensor Labels(const Batch& batch) const;

  const ResNet50Settings settings_;
  const OpenedImages images_;
  const at::Device device_;
  ResNet50 network_;
};

}  // namespace stemma::models
