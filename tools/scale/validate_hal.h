// The sets of validate.h that are about HAL's ResNet-50, and those about other machines; each
// appends its rows. Internal to validate.cc.
#pragma once

#include "tools/scale/validate.h"

namespace stemma::scale {

constexpr char kFig1[] = "Fig 1, HAL ResNet-50";
constexpr char kFig1Mirror[] = "Fig 1, the other half fitted";
constexpr char kFig1Small[] = "Fig 1, from 2 to 16 GPUs alone";
constexpr char kFig1One[] = "Fig 1, one left out";
constexpr char kMay[] = "HAL May, own half";
constexpr char kMayFromFebruary[] = "HAL May, from February";
constexpr char kSummit[] = "Fig 5, Summit AI-GW";

Status ValidateHal(const Sampling& sampling, Validation* v);
Status ValidateOthers(const Sampling& sampling, Validation* v);

}  // namespace stemma::scale
