#include <algorithm>

#include "core/text.h"
#include "lineage/fsck.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

void PrintReport(const lineage::FsckReport& report, bool read_data, bool all_remarks) {
  constexpr size_t kRemarksShown = 10;
  for (const std::string& error : report.errors) Print("ERROR  " + error + "\n");
  const size_t shown =
      all_remarks ? report.remarks.size() : std::min(report.remarks.size(), kRemarksShown);
  for (size_t i = 0; i < shown; ++i) Print("remark " + report.remarks[i] + "\n");
  if (shown < report.remarks.size()) {
    Print("remark and " + std::to_string(report.remarks.size() - shown) +
          " more; --all shows them\n");
  }
  Print(std::to_string(report.runs) + " runs, " + std::to_string(report.states) + " states, " +
        std::to_string(report.packs) + " packs, " + HumanBytes(report.bytes) + ", " +
        (read_data ? "every byte read" : "--read-data would read every byte") + "\n");
  if (report.orphans > 0) {
    Print(std::to_string(report.orphans) + " objects of " + HumanBytes(report.orphan_bytes) +
          " belong to no state: left by captures that were cut off; they do no harm\n");
  }
  Print(report.clean() ? "whole\n"
                       : std::to_string(report.errors.size()) +
                             " errors: the states named above are damaged, all others are whole\n");
}

void PrintJson(const lineage::FsckReport& report) {
  Print(JsonLine({{"clean", report.clean()},
                  {"errors", report.errors},
                  {"remarks", report.remarks},
                  {"runs", report.runs},
                  {"states", report.states},
                  {"packs", report.packs},
                  {"bytes", report.bytes},
                  {"orphans", report.orphans},
                  {"orphan_bytes", report.orphan_bytes}}));
}

}  // namespace

Result<int> RunFsck(const Arguments& arguments) {
  std::string path;
  bool read_data = false, all = false, json = false;
  Flags flags("fsck",
              "Proves the store whole, or names state, tensor and byte range of the damage.");
  flags.Switch("read-data", &read_data, "also reads every pack and checks every digest");
  flags.Switch("all", &all, "every remark");
  flags.Switch("json", &json, "the report as one JSON object");
  AddStoreFlag(&flags, &path);
  flags.Notes(
      "Changes nothing, and may run beside a training. Exit code 1 if anything is damaged. "
      "Remarks\n"
      "are what crashes leave behind and what does no harm.\n");
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;

  // A log that cannot be loaded is what fsck is for: only the store itself is opened here.
  STEMMA_ASSIGN_OR_RETURN(const auto store, OpenStoreOnly(path));
  STEMMA_ASSIGN_OR_RETURN(const lineage::FsckReport report, lineage::Fsck(*store, {read_data}));
  if (json) {
    PrintJson(report);
  } else {
    PrintReport(report, read_data, all);
  }
  return report.clean() ? 0 : 1;
}

}  // namespace stemma::cli
