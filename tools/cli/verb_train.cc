#include "models/train/settings.h"
#include "tools/cli/become_engine.h"
#include "tools/cli/terminal.h"
#include "tools/cli/train_options.h"
#include "tools/cli/verb.h"

namespace stemma::cli {

Result<int> RunTrain(const Arguments& arguments) {
  TrainFlags values;
  Flags flags = TrainFlagList(&values);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (!flags.help_asked()) return BecomeEngine("train", arguments);
  models::RunSettings settings;
  const SettingsList list = models::FieldsOf(settings);
  Print(
      flags.HelpText() +
      "\nSettings: in a recipe as section.key = value, or --set section.key=value. Shown are key,\n"
      "default, meaning and allowed values; a run's settings cannot change when it is continued,\n"
      "but for those marked local.\n\n" +
      list.HelpText());
  return 0;
}

}  // namespace stemma::cli
