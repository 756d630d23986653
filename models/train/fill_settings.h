// Fills in what a name among the settings stands for: optim.preset (optim/presets.h) and
// optim.recipe (optim/recipe.h). Only what nobody has set, neither a recipe file nor --set, is
// filled; the text of the settings then has every option, and is what a run is saved with. No
// LibTorch.
//
//   STEMMA_RETURN_IF_ERROR(list.ReadFile(path));                 // and every --set
//   STEMMA_RETURN_IF_ERROR(FillSettings(settings, &list));
//
// Settings read from a saved text are all set, so a preset of then is never read as one of now.
#pragma once

#include "core/settings.h"
#include "models/train/settings.h"

namespace stemma::models {

// REQUIRES: `list` is FieldsOf(settings). kInvalidArgument: no such preset.
Status FillSettings(const RunSettings& settings, SettingsList* list);

}  // namespace stemma::models
