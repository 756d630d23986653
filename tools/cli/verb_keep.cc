#include <optional>
#include <set>

#include "lineage/marks.h"
#include "tools/cli/duration.h"
#include "tools/cli/open_store.h"
#include "tools/cli/select_states.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

constexpr char kNotes[] =
    "A state that is kept keeps its bytes whatever rules prune, as a tagged one does. With --ttl "
    "it\n"
    "does so for that long after it was written; then `stemma prune --expired` gives it up.\n"
    "\n"
    "Examples\n"
    "  stemma keep r50@12000\n"
    "  stemma keep 'best(metric.val_loss, 3)'\n"
    "  stemma keep r50@12000 --ttl=30d\n"
    "  stemma keep r50@12000 --undo\n";

}  // namespace

Result<int> RunKeep(const Arguments& arguments) {
  std::string path, ttl;
  std::vector<std::string> words;
  bool undo = false;
  Flags flags("keep", "Keeps the bytes of states, whatever rules prune.");
  flags.Words("STATE|RUN", &words, "which; a run means all its states");
  flags.Text("ttl", &ttl, "TIME", "only for so long after they were written, such as 30d");
  flags.Switch("undo", &undo, "they may go again, also those that were captured as critical");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (words.empty()) return Status(Code::kInvalidArgument, "which states? Name some, or a run");
  if (undo && !ttl.empty()) return Status(Code::kInvalidArgument, "--undo and --ttl: one of them");
  std::optional<double> seconds;
  if (!ttl.empty()) {
    STEMMA_ASSIGN_OR_RETURN(seconds, SecondsIn("ttl", ttl));
  }

  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const std::set<lineage::StateId> states,
                          StatesOfAll(*opened.store, opened.graph, words));
  for (const lineage::StateId& id : states) {
    STEMMA_RETURN_IF_ERROR(undo ? StopKeeping(*opened.store, opened.graph, id)
                                : Keep(*opened.store, opened.graph, id, seconds));
    Print(Words(opened.graph, id) + (undo ? " may go\n" : " is kept\n"));
  }
  return 0;
}

}  // namespace stemma::cli
