// What `stemma scale` prints: predictions and the table of validation, as text for people and as
// JSON lines. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "tools/scale/simulate.h"
#include "tools/scale/validate.h"

namespace stemma::cli {

// `constants`: also where every number comes from.
std::string PredictionText(scale::System system, const scale::Workload& workload,
                           const std::vector<scale::Prediction>& predictions, bool constants);
std::string PredictionJson(const std::vector<scale::Prediction>& predictions);

std::string ValidationText(const scale::Validation& validation);
std::string ValidationJson(const scale::Validation& validation);

}  // namespace stemma::cli
