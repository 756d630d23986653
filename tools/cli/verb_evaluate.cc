#include "tools/cli/become_engine.h"
#include "tools/cli/evaluate_options.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {

Result<int> RunEvaluate(const Arguments& arguments) {
  EvaluateFlags values;
  Flags flags = EvaluateFlagList(&values);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (!flags.help_asked()) return BecomeEngine("evaluate", arguments);
  Print(flags.HelpText());
  return 0;
}

}  // namespace stemma::cli
