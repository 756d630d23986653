#include <filesystem>
#include <fstream>

#include "tools/cli/flags.h"
#include "tools/cli/terminal.h"
#include "tools/cli/trace_merge.h"
#include "tools/cli/verb.h"

namespace stemma::cli {

Result<int> RunTrace(const Arguments& arguments) {
  std::string run, out;
  Flags flags("trace", "All ranks' traces of a run in one file, on one time axis.");
  flags.Word("RUN", &run, "a run folder, or the name of one in stemma-runs");
  flags.Text("out", &out, "FILE", "where to (default RUN/trace.json)");
  flags.Notes(
      "Open the file in ui.perfetto.dev. Spans: data, forward, backward, wait, optimizer, "
      "control,\n"
      "capture, and each collective call from its launch to its end. Traces are made with\n"
      "--set diagnose.trace=on, or while a file TRACE lies in the run folder; the newest\n"
      "incarnation that has any is taken.\n"
      "\n"
      "  stemma trace laptop\n");
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  std::error_code error;
  const bool named = !std::filesystem::is_directory(run, error);
  const std::string folder = named ? "stemma-runs/" + run : run;
  STEMMA_ASSIGN_OR_RETURN(const auto paths, FindTraces(folder));
  STEMMA_ASSIGN_OR_RETURN(const TraceMerge merge, MergeTraces(paths));
  if (out.empty()) out = folder + "/trace.json";
  std::ofstream file(out, std::ios::trunc);
  file << merge.json;
  file.close();
  if (!file) return Status(Code::kIo, "cannot write " + out);
  Print(out + ": " + std::to_string(merge.events) + " events of " + std::to_string(paths.size()) +
        " ranks" +
        (merge.dropped == 0 ? "" : "; " + std::to_string(merge.dropped) + " torn ones left out") +
        "\n");
  return 0;
}

}  // namespace stemma::cli
