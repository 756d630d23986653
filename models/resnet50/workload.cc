#include "models/resnet50/workload.h"

#include <utility>

namespace stemma::models {
namespace {

constexpr int64_t kSideMin = 32;  // the last stage would have no pixel

}  // namespace

Result<std::unique_ptr<ResNet50Workload>> ResNet50Workload::Make(
    const ResNet50Settings& settings, const ImageDataSettings& images, uint64_t seed,
    const std::string& device, lineage::Storage& disk, Cohort& cohort) {
  const ClassifierNeeds needs = {"ResNet-50", "resnet50", kSideMin, settings.classes,
                                 settings.channels_last};
  STEMMA_ASSIGN_OR_RETURN(ClassifierInputs inputs,
                          OpenClassifierInputs(needs, images, device, disk, cohort));
  return std::unique_ptr<ResNet50Workload>(new ResNet50Workload(settings, std::move(inputs), seed));
}

// The weights stay in C order, which is what a state keeps; activations follow the images' order.
ResNet50Workload::ResNet50Workload(const ResNet50Settings& settings, ClassifierInputs inputs,
                                   uint64_t seed)
    : ImageClassifier(std::move(inputs), settings.label_smoothing),
      network_({classes(), settings.zero_gamma}, seed) {
  if (!device().is_cpu()) network_.To(device());
}

}  // namespace stemma::models
