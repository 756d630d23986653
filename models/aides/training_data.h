// What AI-DES trains on: galaxies with their true class, simulated ones or pictures of your own;
// galaxies that nobody labelled with the class that a network predicted for them (labels.h); and
// the published augmentation.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto data, AidesTraining::Make(settings, disk));
//
// Samples [0, train_size) are the training split as settings.survey sees it, or as many as there
// are the pictures of settings.train (open_own_galaxies.h); those behind are the labelled ones, in
// the order of their file: simulated as the file's survey sees them, or out of the pictures of
// settings.unlabelled. A sample is a pure function of (settings, files, id, key).
//
// A galaxy costs milliseconds to simulate, so its picture is kept, a byte for each value, as long
// as cache_mb has room; by number, first come. What Read gives does not depend on it.
//
// Owner: whoever holds the pointer. Thread: any number at once. Failure of Make: see
// Check(AidesSettings), OpenOwnGalaxies and ReadLabels; kInvalidArgument for labels that are of
// other galaxies than settings.unlabelled.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/storage.h"
#include "models/aides/dataset.h"
#include "models/aides/labels.h"
#include "models/aides/own_galaxies.h"
#include "models/aides/settings.h"
#include "models/data/dataset.h"

namespace stemma::models {

// The pictures of `path`, each of which needs a label; with "" simulated galaxies of the split.
Result<std::shared_ptr<const Dataset>> PicturesOf(const AidesSettings& settings,
                                                  lineage::Storage& disk, const std::string& path,
                                                  GalaxySplit split, int64_t size);

// All pictures of `path`, labelled or not, prepared as these settings say.
Result<std::shared_ptr<const OwnGalaxies>> OwnGalaxiesOf(const AidesSettings& settings,
                                                         lineage::Storage& disk,
                                                         const std::string& path);

// The simulated galaxies of a split as these settings have them.
Result<std::shared_ptr<const AidesDataset>> GalaxiesOf(const AidesSettings& settings,
                                                       GalaxySplit split, int64_t size);

class AidesTraining final : public Dataset {
 public:
  static Result<std::shared_ptr<const AidesTraining>> Make(const AidesSettings& settings,
                                                           lineage::Storage& disk);

  int64_t Size() const override;
  SampleShape Shape() const override { return known_->Shape(); }
  std::string Digest() const override;  // of the galaxies, the labels and the augmentation
  Status Read(int64_t id, const Cursor& key, float* x, float* y) const override;

 private:
  enum State : uint8_t { kEmpty, kFilling, kFull };
  AidesTraining(const AidesSettings& settings, std::shared_ptr<const Dataset> known,
                std::shared_ptr<const Dataset> labelled, std::vector<PredictedLabel> labels);
  Status Simulate(int64_t id, float* x, float* y) const;
  Status ReadKept(int64_t id, float* x, float* y) const;

  const AidesSettings settings_;
  const std::shared_ptr<const Dataset> known_;
  const std::shared_ptr<const Dataset> labelled_;  // null: no labels
  const std::vector<PredictedLabel> labels_;
  const size_t values_;                        // of a sample
  const size_t kept_;                          // samples below this number are kept
  const std::unique_ptr<uint8_t[]> pictures_;  // [kept_][values_], memory as it comes
  mutable std::vector<float> classes_;
  mutable std::unique_ptr<std::atomic<uint8_t>[]> states_;
};

}  // namespace stemma::models
