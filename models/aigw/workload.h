// AI-GW as the Trainer sees it: the network, its loss and its waveforms. See network.h, dataset.h.
//
//   STEMMA_ASSIGN_OR_RETURN(auto aigw, Aigw::Make(settings, seed, "cpu"));
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "models/aigw/network.h"
#include "models/aigw/settings.h"
#include "models/data/dataset.h"
#include "models/train/workload.h"

namespace stemma::models {

AigwShape ShapeOf(const AigwSettings& settings);

class Aigw final : public Workload {
 public:
  // Initial parameters depend on `seed` and their names. `device` is "cpu" or "cuda" (this rank's
  // current GPU). kInvalidArgument: see Check(settings), or a device that this build does not know
  // or this machine does not have.
  static Result<std::unique_ptr<Aigw>> Make(const AigwSettings& settings, uint64_t seed,
                                            const std::string& device);

  std::string name() const override { return "aigw"; }
  std::vector<ops::Parameter> Parameters() override { return network_.parameters(); }
  std::vector<ops::Buffer> Buffers() override { return network_.buffers(); }
  void SetTraining(bool training) override { network_.SetTraining(training); }
  bool UseGate(Gate* gate) override {
    network_.UseGate(gate);
    return true;
  }
  // parts: "mse_q" and "mse_ap", sums over the local samples.
  at::Tensor Loss(const Batch& batch, LossParts* parts) override;
  std::shared_ptr<const Dataset> TrainData() const override { return data_; }
  // aigw.validation_size waveforms that no training set of any size has; null: it is 0.
  std::shared_ptr<const Dataset> ValidationData() const override { return validation_; }
  // "loss", its parts "mse_q" and "mse_ap", and the mean absolute errors "mae_q", "mae_s1",
  // "mae_s2", "mae_chi" and "mae_s_eff" of chi_eff and S_eff, in their own units, whatever the
  // targets are.
  Evaluated Evaluate(const Batch& batch) override;

  AigwNetwork& network() { return network_; }

 private:
  Aigw(const AigwSettings& settings, uint64_t seed, at::Device device,
       std::shared_ptr<const Dataset> data, std::shared_ptr<const Dataset> validation);

  const AigwSettings settings_;
  at::Device device_;
  AigwNetwork network_;
  std::shared_ptr<const Dataset> data_, validation_;
};

}  // namespace stemma::models
