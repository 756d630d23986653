#include "core/text.h"
#include "lineage/usage.h"
#include "tools/cli/open_store.h"
#include "tools/cli/select_states.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

using lineage::GroupUsage;

constexpr char kNotes[] =
    "Without a word: each run. A run's name: each of its states. Other words: one line each.\n"
    "\n"
    "exclusive is what pruning it alone would free; shared is what others name too; logical is\n"
    "what restoring every state of it brings back. What two runs share is exclusive to neither,\n"
    "but to both together, so the last line may be more than the sum of the others.\n"
    "\n"
    "Examples\n"
    "  stemma du\n"
    "  stemma du r50                        which of its states take room\n"
    "  stemma du trial1 trial2 trial3       what these three would free together\n";

std::vector<std::string> RowOf(const GroupUsage& usage) {
  return {usage.name, std::to_string(usage.states), HumanBytes(usage.exclusive),
          HumanBytes(usage.shared), HumanBytes(usage.logical)};
}

std::string LineOf(const char* kind, const GroupUsage& usage) {
  return JsonLine({{"kind", std::string(kind)},
                   {"name", usage.name},
                   {"states", usage.states},
                   {"exclusive", usage.exclusive},
                   {"shared", usage.shared},
                   {"logical", usage.logical}});
}

void PrintJson(const lineage::Usage& usage, const lineage::UnnamedBytes& unnamed) {
  for (const GroupUsage& group : usage.groups) Print(LineOf("group", group));
  Print(LineOf("all", usage.all));
  Print(JsonLine({{"kind", std::string("store")},
                  {"stored", usage.stored},
                  {"unnamed_objects", unnamed.objects},
                  {"unnamed_bytes", unnamed.bytes}}));
}

void PrintTable(const lineage::Usage& usage, const lineage::UnnamedBytes& unnamed) {
  std::vector<std::vector<std::string>> rows = {{"", "states", "exclusive", "shared", "logical"}};
  for (const GroupUsage& group : usage.groups) rows.push_back(RowOf(group));
  if (usage.groups.size() != 1) {
    rows.push_back(RowOf(usage.all));
    rows.back()[0] = "all of these";
  }
  for (const std::string& line : Columns(rows)) Print(line + "\n");
  Print("the store keeps " + HumanBytes(usage.stored) + " in packs\n");
  if (unnamed.objects == 0) return;
  Print(std::to_string(unnamed.objects) + " objects of " + HumanBytes(unnamed.bytes) +
        " belong to no state: left by captures that were cut off, or being written now\n");
}

}  // namespace

Result<int> RunDu(const Arguments& arguments) {
  std::string path;
  std::vector<std::string> words;
  bool json = false;
  Flags flags("du", "What states keep on the disk, and what pruning them would free.");
  flags.Words("STATE|RUN", &words, "which; left out: every run");
  flags.Switch("json", &json, "one JSON object per line: group, all, store; bytes as numbers");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;

  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const auto groups, GroupsOf(*opened.store, opened.graph, words));
  const lineage::Usage usage = lineage::UsageOf(opened.graph, groups);
  STEMMA_ASSIGN_OR_RETURN(const lineage::UnnamedBytes unnamed,
                          lineage::UnnamedObjects(*opened.store, opened.graph));
  if (json) {
    PrintJson(usage, unnamed);
  } else {
    PrintTable(usage, unnamed);
  }
  return 0;
}

}  // namespace stemma::cli
