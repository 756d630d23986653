#include "models/workloads.h"

#include <utility>

#include "lineage/storage.h"
#include "models/aides/workload.h"
#include "models/aigw/workload.h"
#include "models/resnet50/workload.h"
#include "models/vgg16/workload.h"

namespace stemma::models {

Result<std::unique_ptr<Workload>> MakeWorkload(const RunSettings& settings, Cohort& cohort) {
  if (settings.run.workload == "aigw") {
    STEMMA_ASSIGN_OR_RETURN(auto aigw,
                            Aigw::Make(settings.aigw, static_cast<uint64_t>(settings.train.seed),
                                       settings.device.kind));
    return std::unique_ptr<Workload>(std::move(aigw));
  }
  if (settings.run.workload == "resnet50") {
    STEMMA_ASSIGN_OR_RETURN(
        auto resnet50,
        ResNet50Workload::Make(settings.resnet50, settings.images,
                               static_cast<uint64_t>(settings.train.seed), settings.device.kind,
                               lineage::PosixStorage(), cohort));
    return std::unique_ptr<Workload>(std::move(resnet50));
  }
  if (settings.run.workload == "vgg16") {
    STEMMA_ASSIGN_OR_RETURN(
        auto vgg16, Vgg16Workload::Make(settings.vgg16, settings.images,
                                        static_cast<uint64_t>(settings.train.seed),
                                        settings.device.kind, lineage::PosixStorage(), cohort));
    return std::unique_ptr<Workload>(std::move(vgg16));
  }
  if (settings.run.workload == "aides") {
    STEMMA_ASSIGN_OR_RETURN(auto aides,
                            Aides::Make(settings.aides, static_cast<uint64_t>(settings.train.seed),
                                        settings.device.kind));
    return std::unique_ptr<Workload>(std::move(aides));
  }
  return Status(Code::kInvalidArgument, "run.workload = \"" + settings.run.workload +
                                            "\": expected aigw, resnet50, vgg16 or aides");
}

}  // namespace stemma::models
