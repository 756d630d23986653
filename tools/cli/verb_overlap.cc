#include "tools/cli/become_engine.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"
#include "tools/overlap/options.h"

namespace stemma::cli {

// Wrong words are refused here, before LibTorch is loaded.
Result<int> RunOverlap(const Arguments& arguments) {
  OverlapFlags values;
  Flags flags = OverlapFlagList(&values);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_RETURN_IF_ERROR(CheckOverlapFlags(values));
  return BecomeEngine("overlap", arguments);
}

}  // namespace stemma::cli
