#include "models/aides/workload.h"

#include <ATen/ATen.h>

#include "models/layers/device.h"
#include "models/layers/losses.h"

namespace stemma::models {
namespace {

at::Tensor LabelsOf(const Batch& batch, at::Device device) {
  const at::Tensor y = batch.y.select(1, 0).to(at::kLong);
  return y.masked_fill(y.lt(0), kIgnoredLabel).to(device);
}

double Right(const at::Tensor& logits, const at::Tensor& labels) {
  return static_cast<double>(logits.argmax(1).eq(labels).sum().item<int64_t>());
}

}  // namespace

Result<std::unique_ptr<Aides>> Aides::Make(const AidesSettings& settings, uint64_t seed,
                                           const std::string& device) {
  STEMMA_RETURN_IF_ERROR(Check(settings));
  STEMMA_ASSIGN_OR_RETURN(const at::Device where, DeviceOf(device));
  STEMMA_ASSIGN_OR_RETURN(const std::string first, FirstTrained(settings.train_from));
  std::unique_ptr<Aides> aides(new Aides(settings, seed, where));
  lineage::Storage& disk = lineage::PosixStorage();
  STEMMA_ASSIGN_OR_RETURN(aides->train_, AidesTraining::Make(settings, disk));
  STEMMA_ASSIGN_OR_RETURN(aides->validation_,
                          PicturesOf(settings, disk, settings.validation, GalaxySplit::kValidation,
                                     settings.validation_size));
  if (settings.on_bad == "skip") {
    aides->lenient_ = std::make_shared<const LenientDataset>(aides->train_, settings.bad_max);
    aides->train_ = aides->lenient_;
    aides->validation_ =
        std::make_shared<const LenientDataset>(aides->validation_, settings.bad_max);
  }
  if (!where.is_cpu()) aides->network_.To(where);
  aides->network_.FreezeBefore(first);
  return aides;
}

at::Tensor Aides::Loss(const Batch& batch, LossParts* parts) {
  const at::Tensor labels = LabelsOf(batch, device_);
  const at::Tensor logits = network_.Forward(batch.x.to(device_, /*non_blocking=*/true)).logits;
  if (parts != nullptr) *parts = {{"accuracy", Right(logits, labels)}};
  return SumOfCrossEntropy(logits, labels, 0);
}

Status Aides::EndEpoch(uint64_t epoch, Cohort& cohort) {
  return lenient_ == nullptr ? Status() : TellBadSamples(cohort, epoch, lenient_->Skipped(epoch));
}

Evaluated Aides::Evaluate(const Batch& batch) {
  if (batch.x.size(0) == 0) return {0, {{"loss", 0}, {"accuracy", 0}}};
  const at::Tensor labels = LabelsOf(batch, device_);
  const auto rows = labels.ge(0).sum().item<double>();
  const at::Tensor logits = network_.Forward(batch.x.to(device_, /*non_blocking=*/true)).logits;
  return {rows,
          {{"loss", SumOfCrossEntropy(logits, labels, 0).item<double>()},
           {"accuracy", Right(logits, labels)}}};
}

}  // namespace stemma::models
