#include "core/version.h"
#include "tools/cli/flags.h"
#include "tools/cli/machine.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {

Result<int> RunVersion(const Arguments& arguments) {
  bool json = false;
  Flags flags("version", "Which Stemma this is. `stemma-engine version` names its libraries.");
  flags.Switch("json", &json, "as one JSON object");
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  const std::string engine = FindEngine();
  if (json) {
    Print(
        JsonLine({{"stemma", kProgramVersion}, {"compiler", CompilerText()}, {"engine", engine}}));
    return 0;
  }
  Print(std::string("stemma ") + kProgramVersion + "\ncompiler " + CompilerText() + "\nengine   " +
        (engine.empty() ? "not found beside this program" : engine) + "\n");
  return 0;
}

}  // namespace stemma::cli
