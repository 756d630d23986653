// What is trained: a network, its loss and its data, as the Trainer sees them. One class per
// workload (models/aigw, ...), made from the run's settings by models/workloads.h.
//
// Loss returns the SUM over the local samples, in float32 on the device: the reducer divides by the
// samples of the global batch, so that N ranks with b samples equal one rank with N*b, also for a
// short last batch. Nothing in a workload draws from an ambient random stream: initialisation is
// keyed by (seed, parameter), the Trainer reseeds dropout from (seed, step, rank) before each step.
//
// Thread: the loop's. LibTorch's exceptions may leave Loss; the Trainer turns them into a Status.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/cohort.h"
#include "core/status.h"
#include "models/data/dataset.h"
#include "models/data/loader.h"
#include "models/train/gate.h"
#include "ops/parameter.h"

namespace stemma::models {

// Sums over the local samples, for the log line: {"mse_q", 1.25}, ... Reduced over ranks by the
// Trainer and divided by the samples of the global batch.
using LossParts = std::vector<std::pair<std::string, double>>;

// What one batch of held-out samples adds to an evaluation. The Trainer adds up batches and ranks
// and divides by the rows: {"loss", 0.7}, {"top1", 0.76}, told and recorded as "val_loss", ....
struct Evaluated {
  double rows = 0;  // samples that count; one without a label does not
  LossParts sums;   // "loss" first; the same names in the same order, also for an empty batch
};

class Workload {
 public:
  virtual ~Workload() = default;
  virtual std::string name() const = 0;                  // "aigw"
  virtual std::vector<ops::Parameter> Parameters() = 0;  // registration order, unique names
  virtual std::vector<ops::Buffer> Buffers() = 0;
  virtual void SetTraining(bool training) = 0;  // batch norm, dropout
  virtual at::Tensor Loss(const Batch& batch, LossParts* parts) = 0;
  // From now on Loss asks `gate` for each parameter before it uses it; null: no more. False, the
  // default: Loss asks nobody, so the Trainer has all parameters there before it calls Loss.
  virtual bool UseGate(Gate* /*gate*/) { return false; }
  // Stateless and thread-safe; the order of samples is the loader's.
  virtual std::shared_ptr<const Dataset> TrainData() const = 0;
  // All samples of training epoch `epoch` have been trained on. Collective; for what ranks have to
  // say together, such as which samples could not be read.
  virtual Status EndEpoch(uint64_t /*epoch*/, Cohort& /*cohort*/) { return {}; }
  // Held-out samples, each evaluated once; null, the default: this workload has none.
  virtual std::shared_ptr<const Dataset> ValidationData() const { return nullptr; }
  // This rank's sums over the rows of `batch`, which may be none. Called in evaluation mode without
  // gradients; changes nothing that training sees. REQUIRES: ValidationData() is not null
  virtual Evaluated Evaluate(const Batch& /*batch*/) { return {}; }
};

}  // namespace stemma::models
