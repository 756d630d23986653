#include "models/vgg16/workload.h"

#include <utility>

namespace stemma::models {
namespace {

constexpr int64_t kSideMin = 32;  // five pools halve it

}  // namespace

Result<std::unique_ptr<Vgg16Workload>> Vgg16Workload::Make(const Vgg16Settings& settings,
                                                           const ImageDataSettings& images,
                                                           uint64_t seed, const std::string& device,
                                                           lineage::Storage& disk, Cohort& cohort) {
  const ClassifierNeeds needs = {"VGG-16", "vgg16", kSideMin, settings.classes,
                                 settings.channels_last};
  STEMMA_ASSIGN_OR_RETURN(ClassifierInputs inputs,
                          OpenClassifierInputs(needs, images, device, disk, cohort));
  return std::unique_ptr<Vgg16Workload>(new Vgg16Workload(settings, std::move(inputs), seed));
}

// The weights stay in C order, which is what a state keeps; activations follow the images' order.
Vgg16Workload::Vgg16Workload(const Vgg16Settings& settings, ClassifierInputs inputs, uint64_t seed)
    : ImageClassifier(std::move(inputs), settings.label_smoothing),
      network_({classes(), settings.dropout}, seed) {
  if (!device().is_cpu()) network_.To(device());
}

}  // namespace stemma::models
