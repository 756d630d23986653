// AI-DES as the Trainer sees it: the network with what of it trains, cross-entropy, and its
// simulated galaxies. See settings.h, network.h, training_data.h.
//
//   STEMMA_ASSIGN_OR_RETURN(auto aides, Aides::Make(settings, seed, "cpu"));
//
// Layers before settings.train_from are frozen: their parameters need no gradient, so no bucket and
// no update has them and a state's bytes of them are written once; their batch norms use and keep
// running statistics.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/cohort.h"
#include "core/status.h"
#include "models/aides/network.h"
#include "models/aides/settings.h"
#include "models/aides/training_data.h"
#include "models/data/images/lenient.h"
#include "models/train/workload.h"

namespace stemma::models {

class Aides final : public Workload {
 public:
  // Initial parameters depend on `seed` and their names. `device` is "cpu" or "cuda" (this rank's
  // current GPU). kInvalidArgument: see Check(settings), or a device that this build does not know
  // or this machine does not have. Reads settings.labels from this machine's disk.
  static Result<std::unique_ptr<Aides>> Make(const AidesSettings& settings, uint64_t seed,
                                             const std::string& device);

  std::string name() const override { return "aides"; }
  std::vector<ops::Parameter> Parameters() override { return network_.parameters(); }
  std::vector<ops::Buffer> Buffers() override { return network_.buffers(); }
  void SetTraining(bool training) override { network_.SetTraining(training); }
  bool UseGate(Gate* gate) override {
    network_.UseGate(gate);
    return true;
  }
  // parts: "accuracy", the samples whose class was the more probable one.
  at::Tensor Loss(const Batch& batch, LossParts* parts) override;
  std::shared_ptr<const Dataset> TrainData() const override { return train_; }
  // The validation split as settings.survey sees it, or the folder's; never augmented.
  std::shared_ptr<const Dataset> ValidationData() const override { return validation_; }
  // Tells of the galaxies that settings.on_bad = skip left out.
  Status EndEpoch(uint64_t epoch, Cohort& cohort) override;
  Evaluated Evaluate(const Batch& batch) override;  // "loss", "accuracy"

  AidesNetwork& network() { return network_; }

 private:
  Aides(const AidesSettings& settings, uint64_t seed, at::Device device)
      : device_(device), network_(seed, settings.dropout) {}

  at::Device device_;
  AidesNetwork network_;
  std::shared_ptr<const Dataset> train_, validation_;
  std::shared_ptr<const LenientDataset> lenient_;  // train_; null: on_bad = fail
};

}  // namespace stemma::models
