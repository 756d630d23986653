#include "core/bytes.h"
#include "core/text.h"
#include "lineage/collect.h"
#include "lineage/marks.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_json.h"
#include "tools/cli/duration.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

using lineage::GcPack;

constexpr char kNotes[] =
    "Frees packs of pruned states and of captures that were cut off, when nothing wants them. "
    "They\n"
    "go to a trash folder first, and are unlinked after the grace: give it three times the "
    "longest\n"
    "time for which the file system may show old names, and not less than 10m where the store is\n"
    "on a network. May run beside trainings and forks; a second collector is refused. Layouts and\n"
    "settings are small and are not collected.\n"
    "\n"
    "Examples\n"
    "  stemma gc                                what would go, and why\n"
    "  stemma gc --apply\n"
    "  stemma gc --declare-dead r50@3           incarnation 3 of r50 will never write again\n";

void PrintPacks(const char* what, const std::vector<GcPack>& packs, bool json) {
  std::vector<std::vector<std::string>> rows;
  for (const GcPack& pack : packs) {
    if (json) {
      Print(JsonLine(
          {{"pack", Hex(pack.pack)}, {"fate", what}, {"bytes", pack.bytes}, {"why", pack.why}}));
    }
    rows.push_back({what, Hex(pack.pack).substr(0, 16), HumanBytes(pack.bytes), pack.why});
  }
  if (json) return;
  for (const std::string& line : Columns(rows)) Print(line + "\n");
}

// "RUN@3": the incarnation, which a person knows to be gone.
Status DeclareDead(const std::string& path, const std::string& which) {
  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  const size_t at = which.rfind('@');
  const auto run = opened.graph.runs.find(which.substr(0, at));
  const std::string digits = at == std::string::npos ? "" : which.substr(at + 1);
  const bool number = !digits.empty() && digits.size() < 9 &&
                      digits.find_first_not_of("0123456789") == std::string::npos;
  if (!number || run == opened.graph.runs.end()) {
    return {Code::kInvalidArgument,
            "--declare-dead=" + which + ": expected RUN@INCARNATION, such as r50@3"};
  }
  const uint32_t incarnation = static_cast<uint32_t>(std::stoul(digits));
  if (incarnation == 0 || incarnation > run->second.newest_incarnation) {
    return {Code::kNotFound, "run '" + run->first + "' has incarnations 1 to " +
                                 std::to_string(run->second.newest_incarnation)};
  }
  const auto target = lineage::IncarnationTarget(run->second.ulid, incarnation);
  STEMMA_RETURN_IF_ERROR(opened.store->Mark(target, lineage::kDeadKey, std::string("by hand")));
  Print("incarnation " + digits + " of run " + run->first + " counts as dead\n");
  return {};
}

}  // namespace

Result<int> RunGc(const Arguments& arguments) {
  std::string path, grace = "10m", dead;
  bool plan = false, apply = false, json = false;
  Flags flags("gc", "Frees the bytes that nothing wants. Shows which unless --apply.");
  flags.Switch("plan", &plan, "change nothing (the default)");
  flags.Switch("apply", &apply, "do it: takes the grace, and a little");
  flags.Text("grace", &grace, "TIME", "how long a pack stays in the trash before it is unlinked");
  flags.Text("declare-dead", &dead, "RUN@INC", "first: this incarnation will never write again");
  flags.Switch("json", &json, "one JSON object per line");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (plan && apply) return Status(Code::kInvalidArgument, "--plan and --apply: one of them");
  lineage::GcOptions options;
  STEMMA_ASSIGN_OR_RETURN(options.grace_s, SecondsIn("grace", grace));

  if (!dead.empty()) STEMMA_RETURN_IF_ERROR(DeclareDead(path, dead));
  STEMMA_ASSIGN_OR_RETURN(const auto store, OpenStoreOnly(path));
  STEMMA_ASSIGN_OR_RETURN(
      const lineage::GcReport report,
      apply ? CollectGarbage(*store, options, lineage::MonotonicClock()) : PlanGc(*store, options));
  PrintPacks(apply ? "freed" : "free", report.freed, json);
  PrintPacks("return", report.returned, json);
  PrintPacks("keep", report.orphans, json);
  if (json) return 0;
  Print(std::string(apply ? "freed " : "would free ") + HumanBytes(report.freed_bytes) + " in " +
        std::to_string(report.freed.size()) + " packs" +
        (apply ? ", epoch " + std::to_string(report.epoch) : "; --apply does it") + "\n");
  return 0;
}

}  // namespace stemma::cli
