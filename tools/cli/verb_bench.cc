#include "tools/bench/options.h"
#include "tools/cli/become_engine.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

// Wrong words are refused here, before LibTorch is loaded. Returns whether help was asked for.
Result<bool> Checked(Flags flags, const Arguments& words) {
  STEMMA_RETURN_IF_ERROR(flags.Parse(words));
  if (flags.help_asked()) Print(flags.HelpText());
  return flags.help_asked();
}

}  // namespace

Result<int> RunBench(const Arguments& arguments) {
  const std::string what = arguments.empty() ? "--help" : arguments[0];
  if (what == "--help" || what == "-h") {
    Print(bench::HelpText());
    return 0;
  }
  const Arguments words(arguments.begin() + 1, arguments.end());
  Result<bool> helped = Status(Code::kInvalidArgument, "no benchmark is called '" + what +
                                                           "'; there are train, comm and data");
  bench::TrainFlags train;
  bench::CommFlags comm;
  bench::DataFlags data;
  if (what == "train") helped = Checked(bench::TrainFlagList(&train), words);
  if (what == "comm") helped = Checked(bench::CommFlagList(&comm), words);
  if (what == "data") helped = Checked(bench::DataFlagList(&data), words);
  STEMMA_RETURN_IF_ERROR(helped.status());
  if (*helped) return 0;
  if (what == "data") {
    STEMMA_RETURN_IF_ERROR(bench::Check(data));
    return BecomeEngine("bench", arguments);
  }
  models::RunSettings settings;
  STEMMA_RETURN_IF_ERROR(what == "train" ? bench::ReadSettings(train, &settings)
                                         : bench::ReadSettings(comm, &settings));
  return BecomeEngine("bench", arguments);
}

}  // namespace stemma::cli
