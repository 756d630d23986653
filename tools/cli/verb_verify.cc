#include <algorithm>
#include <cstdio>

#include "core/bytes.h"
#include "core/text.h"
#include "lineage/marks.h"
#include "lineage/repair/quarantine.h"
#include "lineage/verify.h"
#include "tools/cli/open_store.h"
#include "tools/cli/quarantine_lines.h"
#include "tools/cli/select_states.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

constexpr int64_t kJobsMax = 1024;

constexpr char kNotes[] =
    "Every chunk of 1 MiB against its digest, every pack against its name, every state against "
    "its\n"
    "layout. A state with damage is quarantined, by a note: no training goes on from it and no "
    "fork\n"
    "is made of it, until a later verify finds it whole and lifts that. No byte of a state is "
    "changed,\n"
    "and it may run beside a training. Exit code 1 if anything is damaged.\n"
    "`stemma fsck` also looks at logs, tags and left-overs.\n"
    "\n"
    "Examples\n"
    "  stemma verify r50@12000\n"
    "  stemma verify r50 --jobs 4           every state of the run\n"
    "  stemma verify --all\n";

// Of several, those that have given their bytes up are passed over; one that is asked for by name
// is looked at.
Result<std::vector<lineage::StateId>> Wanted(const OpenedStore& opened, const std::string& what,
                                             bool all) {
  if (all == !what.empty()) {
    return Status(Code::kInvalidArgument, "name a state or a run, or say --all");
  }
  const lineage::Graph& graph = opened.graph;
  std::vector<lineage::StateId> states;
  if (all) {
    for (const auto& [id, record] : graph.states) states.push_back(id);
  } else {
    STEMMA_ASSIGN_OR_RETURN(states, StatesOf(*opened.store, graph, what));
    if (states.size() == 1) return states;
  }
  const auto pruned = [&](const lineage::StateId& id) { return lineage::IsPruned(graph, id); };
  states.erase(std::remove_if(states.begin(), states.end(), pruned), states.end());
  return states;
}

std::string RateText(const lineage::VerifyReport& report) {
  char text[32] = "-";
  if (report.seconds > 0) {
    std::snprintf(text, sizeof text, "%.2f",
                  static_cast<double>(report.bytes) / report.seconds / 1e9);
  }
  return std::string(text) + " GB/s";
}

void PrintReport(const lineage::Graph& graph, const lineage::VerifyReport& report) {
  constexpr size_t kStatesNamed = 3;  // forks may share a pack with thousands
  for (const lineage::Damage& damage : report.damaged) {
    std::string states;
    for (size_t i = 0; i < damage.states.size() && i < kStatesNamed; ++i) {
      states += (i ? ", " : "") + Words(graph, damage.states[i]);
    }
    if (damage.states.size() > kStatesNamed) {
      states += " and " + std::to_string(damage.states.size() - kStatesNamed) + " more";
    }
    Print("DAMAGED  " + states + ": " + (damage.path.empty() ? "" : damage.path + ": ") +
          damage.what + "\n");
  }
  Print(std::to_string(report.states) + " states, " + std::to_string(report.packs) + " packs, " +
        HumanBytes(report.bytes) + " in " + HumanDuration(report.seconds) + ", " +
        RateText(report) + "\n" +
        (report.clean() ? "whole\n"
                        : std::to_string(report.damaged.size()) +
                              " damaged: nothing that needs these bytes can be restored\n"));
}

// Whoever may not write to the store still learns what is damaged.
void Record(OpenedStore* opened, const lineage::VerifyReport& report,
            const std::vector<lineage::StateId>& states, bool json) {
  const auto changes = lineage::RecordQuarantine(*opened->store, report.damaged, states);
  if (!changes.ok()) {
    std::fprintf(stderr, "note: no quarantine could be noted: %s\n",
                 changes.status().message().c_str());
    return;
  }
  if (json) return;
  PrintQuarantine(opened->graph, *changes);
}

void PrintJson(const lineage::VerifyReport& report) {
  for (const lineage::Damage& damage : report.damaged) {
    std::vector<std::string> states;
    for (const lineage::StateId& id : damage.states) states.push_back(Hex(id));
    Print(JsonLine({{"kind", std::string("damage")},
                    {"states", states},
                    {"path", damage.path},
                    {"begin", damage.range.begin},
                    {"end", damage.range.end},
                    {"tensors", damage.range.tensors},
                    {"what", damage.what}}));
  }
  Print(JsonLine({{"kind", std::string("report")},
                  {"clean", report.clean()},
                  {"states", report.states},
                  {"packs", report.packs},
                  {"bytes", report.bytes},
                  {"seconds", report.seconds}}));
}

}  // namespace

Result<int> RunVerify(const Arguments& arguments) {
  std::string path, what;
  bool all = false, json = false;
  int64_t jobs = 1;
  Flags flags("verify", "Reads every byte of states and proves it, or names what is damaged.");
  flags.Word("STATE|RUN", &what, "a state, or all states of a run", true);
  flags.Switch("all", &all, "every state of the store");
  flags.Integer("jobs", &jobs, "N", "threads that read");
  flags.Switch("json", &json, "one JSON object per line: damage, report");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (jobs < 1 || jobs > kJobsMax) {
    return Status(Code::kInvalidArgument, "--jobs counts threads: 1 to 1024");
  }

  STEMMA_ASSIGN_OR_RETURN(OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const auto states, Wanted(opened, what, all));
  STEMMA_ASSIGN_OR_RETURN(
      const lineage::VerifyReport report,
      lineage::VerifyStates(*opened.store, opened.graph, states, {static_cast<int>(jobs)}));
  if (json) {
    PrintJson(report);
  } else {
    PrintReport(opened.graph, report);
  }
  Record(&opened, report, states, json);
  return report.clean() ? 0 : 1;
}

}  // namespace stemma::cli
