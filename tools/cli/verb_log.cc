#include "tools/cli/graph_lines.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

#include "lineage/graph.h"
#include "lineage/index_cache.h"

namespace stemma::cli {
namespace {

constexpr char kNotes[] =
    "Examples\n"
    "  stemma log --graph                     the whole tree\n"
    "  stemma log r50 -n 5                    the newest five of run r50 and what it came from\n"
    "  stemma log --json | jq .metrics.loss   for programs: one object per line\n"
    "\n"
    "A line: id, run@step, epoch, metric and its change since the parent, bytes that the state "
    "added\n"
    "to the disk (a fork adds none), bytes that restoring it brings back, and what is known of "
    "it.\n";

// One state with its ancestors, or all. Which state a word names is asked of the graph.
Result<Selection> Selected(const lineage::Graph& graph, const lineage::Index& index,
                           const std::string& of) {
  if (of.empty()) return AllRows(index);
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, lineage::Resolve(graph, of));
  return WithAncestors(index, index.Find(id));
}

void PrintJson(const lineage::Graph& graph, const lineage::Index& index, const Selection& selected,
               size_t limit) {
  for (const lineage::Row row : NewestFirst(index, selected, limit)) {
    Print(StateLine(graph, graph.states.at(index.id[row])));
  }
}

void PrintCut(const std::string& text, size_t columns) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    Print(Cut(std::string_view(text).substr(at, end - at), columns) + "\n");
    at = end + 1;
  }
}

}  // namespace

Result<int> RunLog(const Arguments& arguments) {
  std::string path, of;
  LogOptions options;
  int64_t limit = 0;
  bool json = false;
  Flags flags("log", "What states exist, on which run, and from what each was made.");
  flags.Word("STATE", &of, "only this state (or a run's newest) and its ancestors", true);
  flags.Switch("graph", &options.lanes, "draw the tree");
  flags.Integer("n", &limit, "N", "only the newest N; 0 is all");
  flags.Text("metric", &options.metric, "NAME", "which metric to show");
  flags.Switch("json", &json, "one JSON object per line");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (limit < 0) return Status(Code::kInvalidArgument, "-n counts states: 0 or more");

  options.limit = static_cast<size_t>(limit);
  const Terminal terminal = TerminalOfStdout();
  options.utf8 = terminal.utf8;
  if (of.empty() && !json) {
    STEMMA_ASSIGN_OR_RETURN(const auto store, OpenStoreOnly(path));
    STEMMA_ASSIGN_OR_RETURN(const lineage::Index index,
                            lineage::LoadIndex(*store, lineage::IndexCacheDir()));
    SayWarnings(index.warnings.size(), path);
    PrintCut(LogText(index, AllRows(index), options), terminal.columns);
    return 0;
  }
  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  const lineage::Index index = lineage::IndexOf(opened.graph, *opened.store);
  STEMMA_ASSIGN_OR_RETURN(const Selection selected, Selected(opened.graph, index, of));
  if (json) {
    PrintJson(opened.graph, index, selected, options.limit);
  } else {
    PrintCut(LogText(index, selected, options), terminal.columns);
  }
  return 0;
}

}  // namespace stemma::cli
