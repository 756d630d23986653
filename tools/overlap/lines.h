// An evaluation of aigw as text, as one JSON object and as a table with a line for each merger.
// Pure functions; no LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/aigw/evaluation.h"
#include "models/aigw/settings.h"

namespace stemma::cli {

// All that is told of one call.
struct OverlapReport {
  std::string state;    // "overlap@3000 (5be1c07d)"
  std::string weights;  // "of the last step", "averaged (optim/ema)"
  std::string split, other_split;
  models::AigwSettings settings;
  models::Band hertz;  // of LIGO's curve
  double total_mass = 0;
  bool combined = false;                         // which estimate is told
  double first_median = 0, combined_median = 0;  // on `calibration` mergers of other_split
  int64_t calibration = 0;
  std::vector<models::Reading> readings;
  std::vector<models::Estimate> estimates;
  models::Evaluation evaluation;
  double network_s = 0;  // of the network's forward passes
};

std::string OverlapText(const OverlapReport& report);
std::string OverlapJson(const OverlapReport& report);
std::string OverlapCsv(const OverlapReport& report);

}  // namespace stemma::cli
