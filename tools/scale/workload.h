// What is trained, as the simulator sees it: the gradient's buckets in the engine's own order, when
// in backward each is ready, how much input a sample is, and how many epochs it takes.
//
//   STEMMA_ASSIGN_OR_RETURN(Workload w, MakeWorkload("resnet50", {}));
//   double wire = w.buckets[0].bytes;
//
// Buckets come from ops::MakePlan, which a training uses too. A bucket is ready when backward has
// done the multiply-adds of its last tensor and of all behind it: a share counted from the shapes,
// not measured. The README says where that is wrong. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"
#include "ops/settings.h"
#include "tools/scale/constant.h"

namespace stemma::scale {

struct Bucket {
  double bytes = 0;  // on the wire
  double ready = 1;  // share of backward that has passed
};

struct Workload {
  std::string model;
  std::vector<Bucket> buckets;  // in launch order
  double parameters = 0;
  double forward_share = 1.0 / 3;  // of a step's compute: backward takes twice as long as forward
  double optimizer_bytes = 40;     // moved per parameter: LAMB in two passes
  double state_bytes = 12;         // captured per parameter: it and two moments
  Constant samples_per_epoch, bytes_per_sample, epochs;
  int64_t local_batch = 1;
  bool epochs_by_batch = false;   // from MLPerf's points instead of `epochs`
  bool inputs_in_memory = false;  // nothing is read while it trains
};

// `wire_bytes` per gradient element: 4, or 2 when they are compressed. kNotFound names the nearest
// model; kInvalidArgument as ops::MakePlan.
Result<Workload> MakeWorkload(const std::string& model, const ops::OpsSettings& settings,
                              int wire_bytes = 4);
// All gradients in one call, as apex with delay_allreduce sends them.
Workload OneBucket(Workload workload);
std::vector<std::string> WorkloadNames();

// Epochs of ResNet-50 with LARS to 75.9 % at a global batch: MLPerf's convergence points,
// interpolated in log B. Outside [1632, 67840] only with `extrapolate`, by 34.5 (1 + B / 46300).
std::optional<double> EpochsAtBatch(double batch, bool extrapolate);

}  // namespace stemma::scale
