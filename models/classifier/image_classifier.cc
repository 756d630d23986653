#include "models/classifier/image_classifier.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "models/layers/device.h"
#include "models/layers/losses.h"

namespace stemma::models {
namespace {

constexpr int64_t kTop = 5;

// What can be wrong on one rank alone comes first: opening images needs all ranks.
Result<at::Device> CheckedDevice(const ClassifierNeeds& needs, const ImageDataSettings& images,
                                 const std::string& kind) {
  if (images.size < needs.side_min) {
    return Status(Code::kInvalidArgument, "images.size = " + std::to_string(images.size) + ": " +
                                              needs.network + " needs images of " +
                                              std::to_string(needs.side_min) + " at least");
  }
  return DeviceOf(kind);
}

}  // namespace

double CountAmongLargest(const at::Tensor& logits, const at::Tensor& labels, int64_t k) {
  const at::Tensor label = labels.clamp_min(0).unsqueeze(1);
  const at::Tensor own = logits.gather(1, label);
  const at::Tensor lower =
      at::arange(logits.size(1), labels.options()).unsqueeze(0).lt(label);  // classes before it
  const at::Tensor before = logits.gt(own).logical_or(logits.eq(own).logical_and(lower));
  const at::Tensor hit = before.sum(1).lt(k).logical_and(own.eq(own).squeeze(1));
  return hit.logical_and(labels.ge(0)).sum().item<double>();
}

Result<ClassifierInputs> OpenClassifierInputs(const ClassifierNeeds& needs,
                                              const ImageDataSettings& images,
                                              const std::string& device, lineage::Storage& disk,
                                              Cohort& cohort) {
  const Result<at::Device> where = CheckedDevice(needs, images, device);
  STEMMA_RETURN_IF_ERROR(Agree(cohort, where.status()));
  const PixelOrder order =
      needs.channels_last ? PixelOrder::kChannelsLast : PixelOrder::kChannelsFirst;
  STEMMA_ASSIGN_OR_RETURN(
      OpenedImages opened,
      OpenImages(disk, images, {needs.classes, needs.section + ".classes", order}, cohort));
  return ClassifierInputs{std::move(opened), order, *where};
}

ImageClassifier::ImageClassifier(ClassifierInputs inputs, double label_smoothing)
    : inputs_(std::move(inputs)), label_smoothing_(label_smoothing) {}

// With the channels last a sample is {side, side, 3}: seen as {3, side, side} it is in that order
// without a copy.
at::Tensor ImageClassifier::Logits(const Batch& batch) {
  const at::Tensor x = batch.x.to(inputs_.device, /*non_blocking=*/true);
  return Forward(inputs_.order == PixelOrder::kChannelsLast ? x.permute({0, 3, 1, 2}) : x);
}

at::Tensor ImageClassifier::Labels(const Batch& batch) const {
  const at::Tensor y = batch.y.flatten().to(at::kLong);
  return y.masked_fill(y.lt(0), kIgnoredLabel).to(inputs_.device);
}

at::Tensor ImageClassifier::Loss(const Batch& batch, LossParts* parts) {
  const at::Tensor labels = Labels(batch), logits = Logits(batch);
  if (parts != nullptr) *parts = {{"top1", CountAmongLargest(logits.detach(), labels, 1)}};
  return SumOfCrossEntropy(logits, labels, label_smoothing_);
}

Status ImageClassifier::EndEpoch(uint64_t epoch, Cohort& cohort) {
  const auto& files = inputs_.images.train_files;
  return files == nullptr ? Status() : TellBadSamples(cohort, epoch, files->Skipped(epoch));
}

Evaluated ImageClassifier::Evaluate(const Batch& batch) {
  Evaluated sums = {0, {{"loss", 0}, {"top1", 0}, {"top5", 0}}};
  if (batch.x.size(0) == 0) return sums;
  const at::Tensor labels = Labels(batch), logits = Logits(batch);
  sums.rows = labels.ge(0).sum().item<double>();
  sums.sums[0].second = SumOfCrossEntropy(logits, labels).item<double>();
  sums.sums[1].second = CountAmongLargest(logits, labels, 1);
  sums.sums[2].second = CountAmongLargest(logits, labels, std::min(kTop, classes()));
  return sums;
}

}  // namespace stemma::models
