#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "models/train/settings.h"
#include "tools/cli/machine.h"
#include "tools/cli/terminal.h"
#include "tools/cli/train_options.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

// Replaces this process: process id, environment and signals stay what the launcher knows.
Status BecomeEngine(const Arguments& arguments) {
  const std::string engine = FindEngine();
  if (engine.empty()) {
    return {Code::kIncompatible, "stemma-engine is neither in " + ProgramFolder() +
                                     " nor in ../libexec: build //tools/cli:stemma-engine, or "
                                     "install it beside stemma"};
  }
  std::vector<char*> argv;
  std::vector<std::string> words = {engine, "train"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(engine.c_str(), argv.data());
  return {Code::kIo, "cannot start " + engine + ": " + std::strerror(errno)};
}

}  // namespace

Result<int> RunTrain(const Arguments& arguments) {
  TrainFlags values;
  Flags flags = TrainFlagList(&values);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (!flags.help_asked()) return BecomeEngine(arguments);
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
