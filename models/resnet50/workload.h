// ResNet-50 on images as the Trainer sees it; loss, counts and data are those of any classifier of
// images (models/classifier/image_classifier.h).
//
//   STEMMA_ASSIGN_OR_RETURN(
//       auto resnet, ResNet50Workload::Make(settings.resnet50, settings.images, seed, "cpu",
//                                           lineage::PosixStorage(), cohort));
//
// Thread: the loop's. LibTorch's exceptions may leave Loss and Evaluate.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/cohort.h"
#include "core/status.h"
#include "lineage/storage.h"
#include "models/classifier/image_classifier.h"
#include "models/resnet50/network.h"
#include "models/resnet50/settings.h"

namespace stemma::models {

class ResNet50Workload final : public ImageClassifier {
 public:
  // Collective. Initial parameters depend on `seed` and their names; `disk` outlives the workload.
  // Failure, the same on every rank: OpenClassifierInputs's; images below 32 x 32.
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

 private:
  ResNet50Workload(const ResNet50Settings& settings, ClassifierInputs inputs, uint64_t seed);
  at::Tensor Forward(const at::Tensor& images) override { return network_.Forward(images); }

  ResNet50 network_;
};

}  // namespace stemma::models
