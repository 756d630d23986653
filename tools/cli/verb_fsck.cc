#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "core/text.h"
#include "lineage/fsck.h"
#include "lineage/repair/repair.h"
#include "tools/cli/duration.h"
#include "tools/cli/open_store.h"
#include "tools/cli/quarantine_lines.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

using lineage::FsckReport;
using lineage::RepairOptions;
using lineage::RepairPlan;
using lineage::RepairReport;

constexpr char kNotes[] =
    "Without --repair it changes no file but for notes: with --read-data a state with damage is\n"
    "quarantined, so that no training goes on from it, and one that is good again no more. With\n"
    "--read-data or --from it lists what could be repaired.\n"
    "\n"
    "--repair does what is listed: packs, layouts and settings with wrong bytes are put together\n"
    "from every copy that has right ones (in this store's trash, and in the stores that --from "
    "names);\n"
    "what is wanted and lies in the trash comes back; what crashes left and nobody will use goes. "
    "No\n"
    "byte that a state needs is ever removed. It may run beside trainings, forks and `gc`, and may "
    "be\n"
    "killed and begun again. Torn ends of logs stay: no reader looks there. A log in which a "
    "damaged\n"
    "entry hides others gets it back from a copy that --from names, or that `migrate` made; the "
    "run's\n"
    "next incarnation is begun before, so that a process that may still write there is refused.\n"
    "Of notes (marks, annotations) what is whole is kept, and what is lost is named; since that "
    "may\n"
    "have taken a prune back, prunes of states whose bytes are there still are taken back.\n"
    "\n"
    "--close-intents gives up what a fork that died had reserved. Only for who knows that its "
    "process\n"
    "is gone; one that lives after all fails and says so.\n"
    "\n"
    "Exit code 1 if anything is damaged, or still is after the repair. Remarks are what crashes "
    "leave\n"
    "behind and what does no harm.\n"
    "\n"
    "--part K/N reads one of N equal parts of the packs, chosen by their ids: N nights read them "
    "all.\n"
    "\n"
    "Examples\n"
    "  stemma fsck --read-data\n"
    "  stemma fsck --read-data --part $(date +%u)/7               every byte once a week\n"
    "  stemma fsck --read-data --from /backup/store               what could be mended from there\n"
    "  stemma fsck --read-data --from /backup/store --repair\n";

struct Wish {
  std::string path, older_than = "1h", part;
  uint32_t this_part = 1, parts = 1;
  std::vector<std::string> from;
  bool read_data = false, repair = false, close_intents = false, all = false, json = false;
};

// "2/7".
Status ReadPart(Wish* wish) {
  if (wish->part.empty()) return {};
  const char* const end = wish->part.data() + wish->part.size();
  auto read = std::from_chars(wish->part.data(), end, wish->this_part);
  const bool slash = read.ec == std::errc() && read.ptr != end && *read.ptr == '/';
  if (slash) read = std::from_chars(read.ptr + 1, end, wish->parts);
  if (!slash || read.ec != std::errc() || read.ptr != end || wish->this_part < 1 ||
      wish->this_part > wish->parts) {
    return {Code::kInvalidArgument, "--part=" + wish->part +
                                        ": it is K/N, the K-th of N parts, 1 to N; for example "
                                        "--part=2/7"};
  }
  if (wish->read_data) return {};
  return {Code::kInvalidArgument, "--part says which packs are read: give --read-data as well"};
}

std::string WhatWasRead(const FsckReport& report, const Wish& wish) {
  if (!wish.read_data) return "--read-data would read every byte";
  if (wish.parts == 1) return "every byte read";
  return "part " + wish.part + " read: " + std::to_string(report.packs_read) + " packs, " +
         HumanBytes(report.bytes_read);
}

void PrintReport(const FsckReport& report, const Wish& wish) {
  constexpr size_t kRemarksShown = 10;
  for (const std::string& error : report.errors) Print("ERROR  " + error + "\n");
  const size_t shown =
      wish.all ? report.remarks.size() : std::min(report.remarks.size(), kRemarksShown);
  for (size_t i = 0; i < shown; ++i) Print("remark " + report.remarks[i] + "\n");
  if (shown < report.remarks.size()) {
    Print("remark and " + std::to_string(report.remarks.size() - shown) +
          " more; --all shows them\n");
  }
  Print(std::to_string(report.runs) + " runs, " + std::to_string(report.states) + " states, " +
        std::to_string(report.packs) + " packs, " + HumanBytes(report.bytes) + ", " +
        WhatWasRead(report, wish) + "\n");
  if (report.orphans > 0) {
    Print(std::to_string(report.orphans) + " objects of " + HumanBytes(report.orphan_bytes) +
          " belong to no state: left by captures that were cut off; they do no harm\n");
  }
  Print(report.clean() ? "whole\n"
                       : std::to_string(report.errors.size()) +
                             " errors: the states named above are damaged, all others are whole\n");
}

void PrintJson(const FsckReport& report) {
  Print(JsonLine({{"clean", report.clean()},
                  {"errors", report.errors},
                  {"remarks", report.remarks},
                  {"runs", report.runs},
                  {"states", report.states},
                  {"packs", report.packs},
                  {"bytes", report.bytes},
                  {"packs_read", report.packs_read},
                  {"bytes_read", report.bytes_read},
                  {"orphans", report.orphans},
                  {"orphan_bytes", report.orphan_bytes}}));
}

// What of the plan would be done, or is about to be.
void PrintPlan(const RepairPlan& plan, bool now) {
  for (const lineage::RepairItem& item : plan.items) {
    Print((now ? "repair  " : "would   ") + item.text + "\n");
  }
  for (const std::string& text : plan.beyond) Print("left    " + text + "\n");
  if (!now && !plan.items.empty()) Print("--repair does what is listed\n");
}

std::vector<std::string> TextsOf(const RepairPlan& plan) {
  std::vector<std::string> texts;
  for (const lineage::RepairItem& item : plan.items) texts.push_back(item.text);
  return texts;
}

// What is wrong when all is done: the second look, and what was read again.
Result<int> AfterRepair(lineage::Store& store, const RepairPlan& plan, const RepairReport& done,
                        const Wish& wish) {
  STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, store.Load());
  STEMMA_ASSIGN_OR_RETURN(const FsckReport again, lineage::Fsck(store, {}));
  std::vector<std::string> errors = again.errors;
  for (const lineage::Damage& damage : done.damaged) {
    errors.push_back((damage.path.empty() ? "" : damage.path + ": ") + damage.what);
  }
  const bool clean = errors.empty() && done.failed.empty();
  if (wish.json) {
    Print(JsonLine({{"kind", std::string("repair")},
                    {"clean", clean},
                    {"planned", TextsOf(plan)},
                    {"done", done.done},
                    {"failed", done.failed},
                    {"left", plan.beyond},
                    {"errors", errors}}));
    return clean ? 0 : 1;
  }
  for (const std::string& text : done.failed) Print("FAILED  " + text + "\n");
  PrintQuarantine(graph, done.quarantine);
  for (const std::string& error : errors) Print("ERROR   " + error + "\n");
  Print(std::to_string(done.done.size()) + " of " + std::to_string(plan.items.size()) +
        " repairs done; " +
        (clean ? "whole\n" : std::to_string(errors.size()) + " errors are left\n"));
  return clean ? 0 : 1;
}

Result<int> Check(lineage::Store& store, const RepairOptions& options, const Wish& wish) {
  STEMMA_ASSIGN_OR_RETURN(const FsckReport report,
                          lineage::Fsck(store, {wish.read_data, wish.this_part, wish.parts}));
  if (wish.json) {
    PrintJson(report);
  } else {
    PrintReport(report, wish);
  }
  if (wish.read_data) {
    const auto changes = lineage::RecordQuarantine(store, report.damaged, report.read);
    if (!changes.ok()) {
      std::fprintf(stderr, "note: no quarantine could be noted: %s\n",
                   changes.status().message().c_str());
    } else if (!wish.json) {
      STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, store.Load());
      PrintQuarantine(graph, *changes);
    }
  }
  const bool acts = wish.repair || wish.close_intents;
  // A plan reads every byte of what is damaged and of its copies: only where that was wished for.
  if (!acts && !wish.read_data && options.from.empty()) return report.clean() ? 0 : 1;
  STEMMA_ASSIGN_OR_RETURN(const RepairPlan plan, lineage::PlanRepair(store, report, options));
  if (!wish.json) PrintPlan(plan, acts);
  if (!acts) return report.clean() ? 0 : 1;
  STEMMA_ASSIGN_OR_RETURN(const RepairReport done, lineage::CarryOut(store, plan, options));
  return AfterRepair(store, plan, done, wish);
}

}  // namespace

Result<int> RunFsck(const Arguments& arguments) {
  Wish wish;
  Flags flags("fsck",
              "Proves the store whole, or names state, tensor and byte range of the damage.");
  flags.Switch("read-data", &wish.read_data, "also reads every pack and checks every digest");
  flags.Text("part", &wish.part, "K/N", "with --read-data: of the packs the K-th of N parts");
  flags.Switch("repair", &wish.repair, "mends, restores and sweeps what can be");
  flags.List("from", &wish.from, "STORE",
             "another store that may have what is damaged; repeatable");
  flags.Switch("close-intents", &wish.close_intents, "gives up what dead forks have reserved");
  flags.Text("older-than", &wish.older_than, "TIME",
             "left-overs and intents that changed since are left alone");
  flags.Switch("all", &wish.all, "every remark");
  flags.Switch("json", &wish.json, "the report as one JSON object, and one of the repair");
  AddStoreFlag(&flags, &wish.path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_RETURN_IF_ERROR(ReadPart(&wish));
  RepairOptions options;
  STEMMA_ASSIGN_OR_RETURN(options.stale_s, SecondsIn("older-than", wish.older_than));
  options.close_intents = wish.close_intents;
  options.mend = wish.repair || !wish.close_intents;

  // A log that cannot be loaded is what fsck is for: only the store itself is opened here.
  STEMMA_ASSIGN_OR_RETURN(const auto store, OpenStoreOnly(wish.path));
  std::vector<std::unique_ptr<lineage::Store>> others;
  for (const std::string& from : wish.from) {
    auto other = lineage::Store::Open(from, /*create=*/false, lineage::PosixStorage());
    if (!other.ok()) return Status(other.status()).Within("--from");
    others.push_back(*std::move(other));
    options.from.push_back(others.back().get());
  }
  return Check(*store, options, wish);
}

}  // namespace stemma::cli
