// `stemma galaxy-eval` and `stemma galaxy-label`: checked here, computed by stemma-engine.
#include "tools/cli/become_engine.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"
#include "tools/galaxies/options.h"

namespace stemma::cli {
namespace {

template <typename Request>
Result<int> CheckAndBecome(const char* verb, const Arguments& arguments) {
  Request request;
  Flags flags = galaxies::FlagsOf(&request);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_RETURN_IF_ERROR(galaxies::Check(request));
  return BecomeEngine(verb, arguments);
}

}  // namespace

Result<int> RunGalaxyEval(const Arguments& arguments) {
  return CheckAndBecome<galaxies::EvalRequest>("galaxy-eval", arguments);
}

Result<int> RunGalaxyLabel(const Arguments& arguments) {
  return CheckAndBecome<galaxies::LabelRequest>("galaxy-label", arguments);
}

}  // namespace stemma::cli
