#include "models/train/fill_settings.h"

#include <string>

#include "optim/presets.h"
#include "optim/recipe.h"

namespace stemma::models {
namespace {

// What `filled` has and the defaults have not, where `list` has the defaults.
Status Fill(const SettingsList& filled, const std::string& origin, SettingsList* list) {
  for (const Setting& field : filled.all()) {
    if (field.Text() == field.default_text) continue;
    if (list->Find(field.key)->origin != "default") continue;
    STEMMA_RETURN_IF_ERROR(list->Set(field.key + "=" + field.Text(), origin));
  }
  return {};
}

}  // namespace

Status FillSettings(const RunSettings& settings, SettingsList* list) {
  RunSettings preset;
  const SettingsList of_preset = FieldsOf(preset);
  STEMMA_RETURN_IF_ERROR(optim::ApplyPreset(settings.optim.preset, &preset.optim));
  STEMMA_RETURN_IF_ERROR(Fill(of_preset, "preset " + settings.optim.preset, list));
  if (settings.optim.recipe == "none") return {};
  RunSettings recipe;
  const SettingsList of_recipe = FieldsOf(recipe);
  recipe.optim.lr = optim::UntunedRate(settings.train.global_batch);
  return Fill(of_recipe, "recipe " + settings.optim.recipe, list);
}

}  // namespace stemma::models
