// The sections of the workloads in the list of settings: [aigw], .... Internal to train/.
#pragma once

#include <string>

#include "core/settings.h"
#include "models/train/settings.h"

namespace stemma::models {

// Appends the fields of each workload's section, with name, help and range.
void AddWorkloadFields(RunSettings& settings, SettingsList* list);

// False for the section of another workload than `workload`, a TOML string: "images" of "\"aigw\"".
bool Concerns(const std::string& section, const std::string& workload);

}  // namespace stemma::models
