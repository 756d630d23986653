#include "models/aides/training_data.h"

#include <algorithm>
#include <utility>

#include "core/bytes.h"
#include "core/digest.h"
#include "models/aides/augment.h"
#include "models/aides/open_own_galaxies.h"

namespace stemma::models {
namespace {

constexpr uint32_t kVersion = 1;  // raised when the same settings begin to mean other samples

Status CheckLabelled(const OwnGalaxies& galaxies, const std::string& path) {
  for (int64_t id = 0; id < galaxies.Size(); ++id) {
    if (galaxies.LabelOf(id) != kNotLabelled) continue;
    return {Code::kInvalidArgument,
            path + ": galaxy " + std::to_string(id) +
                " has no label, so nothing can be learnt from it: keep those apart, and let "
                "`stemma galaxy-label STATE --pictures=...` label them"};
  }
  return {};
}

// What the labels are of.
Result<std::shared_ptr<const Dataset>> LabelledBy(const LabelFile& file,
                                                  const AidesSettings& settings,
                                                  lineage::Storage& disk) {
  int64_t last = 0;
  for (const PredictedLabel& label : file.labels) last = std::max(last, label.id);
  if (file.pictures.empty() != settings.unlabelled.empty()) {
    return Status(Code::kInvalidArgument,
                  file.pictures.empty()
                      ? "aides.labels are of simulated galaxies, not of aides.unlabelled = " +
                            settings.unlabelled
                      : "aides.labels are of pictures: aides.unlabelled must say where they lie");
  }
  if (file.pictures.empty()) {
    AidesSettings of_file = settings;
    of_file.survey = FactsOf(file.survey).name;
    of_file.data_seed = file.data_seed;
    STEMMA_ASSIGN_OR_RETURN(auto galaxies, GalaxiesOf(of_file, GalaxySplit::kUnlabelled, last + 1));
    return std::shared_ptr<const Dataset>(std::move(galaxies));
  }
  STEMMA_ASSIGN_OR_RETURN(auto pictures, OwnGalaxiesOf(settings, disk, settings.unlabelled));
  if (Hex(pictures->Source()) != file.pictures || last >= pictures->Size()) {
    return Status(Code::kInvalidArgument,
                  "aides.unlabelled = " + settings.unlabelled +
                      " are not the pictures that aides.labels are of, or they have changed: label "
                      "them again");
  }
  return std::shared_ptr<const Dataset>(std::move(pictures));
}

}  // namespace

Result<std::shared_ptr<const OwnGalaxies>> OwnGalaxiesOf(const AidesSettings& settings,
                                                         lineage::Storage& disk,
                                                         const std::string& path) {
  return OpenOwnGalaxies(disk, path, {settings.image, RescaleByName(settings.rescale)});
}

Result<std::shared_ptr<const AidesDataset>> GalaxiesOf(const AidesSettings& settings,
                                                       GalaxySplit split, int64_t size) {
  STEMMA_ASSIGN_OR_RETURN(const SurveyKind survey, SurveyByName(settings.survey));
  return AidesDataset::Make(
      {settings.data_seed, size, settings.image, RescaleByName(settings.rescale)}, survey, split);
}

Result<std::shared_ptr<const Dataset>> PicturesOf(const AidesSettings& settings,
                                                  lineage::Storage& disk, const std::string& path,
                                                  GalaxySplit split, int64_t size) {
  if (path.empty()) {
    STEMMA_ASSIGN_OR_RETURN(auto galaxies, GalaxiesOf(settings, split, size));
    return std::shared_ptr<const Dataset>(std::move(galaxies));
  }
  STEMMA_ASSIGN_OR_RETURN(auto galaxies, OwnGalaxiesOf(settings, disk, path));
  STEMMA_RETURN_IF_ERROR(CheckLabelled(*galaxies, path));
  return std::shared_ptr<const Dataset>(std::move(galaxies));
}

Result<std::shared_ptr<const AidesTraining>> AidesTraining::Make(const AidesSettings& settings,
                                                                 lineage::Storage& disk) {
  STEMMA_RETURN_IF_ERROR(Check(settings));
  STEMMA_ASSIGN_OR_RETURN(auto known, PicturesOf(settings, disk, settings.train,
                                                 GalaxySplit::kTrain, settings.train_size));
  std::shared_ptr<const Dataset> labelled;
  LabelFile file;
  if (!settings.labels.empty()) {
    STEMMA_ASSIGN_OR_RETURN(file, ReadLabels(disk, settings.labels));
    STEMMA_ASSIGN_OR_RETURN(labelled, LabelledBy(file, settings, disk));
  }
  return std::shared_ptr<const AidesTraining>(
      new AidesTraining(settings, std::move(known), std::move(labelled), std::move(file.labels)));
}

AidesTraining::AidesTraining(const AidesSettings& settings, std::shared_ptr<const Dataset> known,
                             std::shared_ptr<const Dataset> labelled,
                             std::vector<PredictedLabel> labels)
    : settings_(settings),
      known_(std::move(known)),
      labelled_(std::move(labelled)),
      labels_(std::move(labels)),
      values_(static_cast<size_t>(known_->Shape().XCount())),
      kept_(std::min(static_cast<size_t>(Size()),
                     (static_cast<size_t>(settings.cache_mb) << 20) / values_)),
      pictures_(new uint8_t[kept_ * values_]),
      classes_(kept_),
      states_(std::make_unique<std::atomic<uint8_t>[]>(kept_)) {
  for (size_t i = 0; i < kept_; ++i) states_[i] = kEmpty;
}

int64_t AidesTraining::Size() const {
  return known_->Size() + static_cast<int64_t>(labels_.size());
}

std::string AidesTraining::Digest() const {
  Encoder bytes;
  bytes.String("aides training");
  bytes.U32(kVersion);
  bytes.String(known_->Digest());
  bytes.U8(settings_.augment ? 1 : 0);
  if (labelled_ != nullptr) {
    bytes.String(labelled_->Digest());
    for (const PredictedLabel& label : labels_) {
      bytes.I64(label.id);
      bytes.U8(static_cast<uint8_t>(label.label));
    }
  }
  return Sha256(bytes.bytes());
}

Status AidesTraining::Simulate(int64_t id, float* x, float* y) const {
  if (id < known_->Size()) return known_->Read(id, {}, x, y);
  const PredictedLabel& label = labels_[static_cast<size_t>(id - known_->Size())];
  STEMMA_RETURN_IF_ERROR(labelled_->Read(label.id, {}, x, y));
  *y = static_cast<float>(label.label);
  return {};
}

// A value is a byte over 255, so the byte has all of it.
Status AidesTraining::ReadKept(int64_t id, float* x, float* y) const {
  const auto i = static_cast<size_t>(id);
  if (i >= kept_) return Simulate(id, x, y);
  uint8_t* const picture = &pictures_[i * values_];
  if (states_[i].load(std::memory_order_acquire) == kFull) {
    for (size_t k = 0; k < values_; ++k) x[k] = static_cast<float>(picture[k]) / 255;
    *y = classes_[i];
    return {};
  }
  STEMMA_RETURN_IF_ERROR(Simulate(id, x, y));
  uint8_t empty = kEmpty;
  if (!states_[i].compare_exchange_strong(empty, kFilling)) return {};  // another thread keeps it
  for (size_t k = 0; k < values_; ++k) picture[k] = static_cast<uint8_t>(x[k] * 255 + .5f);
  classes_[i] = *y;
  states_[i].store(kFull, std::memory_order_release);
  return {};
}

Status AidesTraining::Read(int64_t id, const Cursor& key, float* x, float* y) const {
  if (!settings_.augment) return ReadKept(id, x, y);
  std::vector<float> image(values_);
  STEMMA_RETURN_IF_ERROR(ReadKept(id, image.data(), y));
  Transform(DrawAugmentation(key), static_cast<size_t>(settings_.image), 3, image.data(), x);
  return {};
}

}  // namespace stemma::models
