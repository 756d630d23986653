#include "tools/cli/data_waveforms.h"

#include "models/train/settings.h"

namespace stemma::cli {

Flags WaveformsFlagList(WaveformsCommand* v) {
  Flags flags("data waveforms",
              "The waveforms of an AI-GW training as an HDF5 file, in the published layout.");
  flags.Word("RECIPE", &v->recipe, "TOML file whose [aigw] is used; else the published window",
             true);
  flags.Text("out", &v->out, "FILE", "the file to make; it must not exist");
  flags.Choice("split", &v->split, {"train", "validation", "test"}, "which waveforms");
  flags.Integer("count", &v->count, "N", "the first N of them; 0: all");
  flags.List("set", &v->set, "KEY=VALUE", "change one setting, after the recipe; repeatable");
  flags.Notes(
      "Two tables: 'data' (N, samples) float32, Re h22 on the window, and 'labels' (N, 3) "
      "float64:\n"
      "q, s1, s2. The window stands with 'data' as t_from, t_to and dt. FILE.part holds what is\n"
      "being written. A training with aigw.file = FILE equals one that computes its waveforms, to\n"
      "the bit.\n"
      "\n"
      "Examples\n"
      "  stemma data waveforms models/aigw/recipes/laptop.toml --out=train.h5\n"
      "  stemma train models/aigw/recipes/laptop.toml --set aigw.file=train.h5\n"
      "  stemma data waveforms --count=1000 --split=test --out=test.h5     405 MB\n");
  return flags;
}

Result<models::AigwSettings> ReadWaveformSettings(WaveformsCommand* command) {
  if (command->out.empty()) {
    return Status(Code::kInvalidArgument, "--out=FILE is missing: the file to make");
  }
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);
  if (!command->recipe.empty()) STEMMA_RETURN_IF_ERROR(list.ReadFile(command->recipe));
  for (const std::string& assignment : command->set) STEMMA_RETURN_IF_ERROR(list.Set(assignment));
  STEMMA_RETURN_IF_ERROR(Check(settings.aigw));
  const int64_t all =
      command->split == "train" ? settings.aigw.train_size : settings.aigw.validation_size;
  if (command->count == 0) command->count = all;
  if (command->count < 1 || command->count > all) {
    return Status(Code::kInvalidArgument,
                  "--count=" + std::to_string(command->count) + " must be 1 to " +
                      std::to_string(all) + ", or 0 for all of them: aigw." +
                      (command->split == "train" ? "train" : "validation") + "_size");
  }
  return settings.aigw;
}

}  // namespace stemma::cli
