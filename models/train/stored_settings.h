// The settings of a run as its states are stored with them, and what differs between two such
// texts.
//
//   blob = LastingSettings(list);
//   STEMMA_ASSIGN_OR_RETURN(const auto changes, SettingChanges(blob, ResolvedSettings(other)));
//
// A stored text has every setting with its value, also defaults, but for the sections of other
// workloads: a run of aigw says nothing of galaxies. An older program stored fewer settings still.
// Such a text is read as if it had the default, so an absent setting differs from no default.
//
// Pure functions; any thread. No LibTorch.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/settings.h"
#include "core/status.h"

namespace stemma::models {

// All of `list` that concerns its run.workload, as TOML, sorted. REQUIRES, also below: `list` is
// FieldsOf some settings
std::string ResolvedSettings(const SettingsList& list);

// The same, but how one start of the run was read, which is not of the run: every later start is
// exact.
std::string LastingSettings(const SettingsList& list);

// DiffSettings of two stored texts. One that this program does not know and one of them lacks
// counts as a change, with an empty side. kInvalidArgument: a text is no TOML.
Result<std::vector<SettingChange>> SettingChanges(std::string_view from, std::string_view to);

}  // namespace stemma::models
