#include "tools/cli/follow_log.h"
#include "tools/cli/graph_lines.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

#include "lineage/query/query.h"

namespace stemma::cli {
namespace {

constexpr char kNotes[] =
    "Examples\n"
    "  stemma log --graph                     the whole tree\n"
    "  stemma log r50 -n 5                    the newest five of run r50 and what it came from\n"
    "  stemma log 'heads() & loss < 2'        the states of a query, see `stemma find --help`\n"
    "  stemma log r50 --follow -n 5           the same, and each new one as it becomes durable\n"
    "  stemma log --json | jq .metrics.loss   for programs: one object per line\n"
    "\n"
    "A line: id, run@step, epoch, metric and its change since the parent, bytes that the state "
    "added\n"
    "to the disk (a fork adds none), bytes that restoring it brings back, and what is known of "
    "it.\n";

// One state with its ancestors, what a query selects, or all.
Result<Selection> Selected(const lineage::Index& index, const std::string& of, bool none_too) {
  if (of.empty()) return AllRows(index);
  STEMMA_ASSIGN_OR_RETURN(const lineage::Query query, lineage::ParseQuery(of));
  if (lineage::IsPlainState(of)) {
    STEMMA_ASSIGN_OR_RETURN(const lineage::Row row, lineage::One(query, index));
    return WithAncestors(index, row);
  }
  STEMMA_ASSIGN_OR_RETURN(const lineage::Answer answer, lineage::Find(query, index));
  if (answer.rows.empty() && !none_too) return lineage::OneOf(answer, index).status();
  Selection selected(index.size(), false);
  for (const lineage::Row row : answer.rows) selected[row] = true;
  return selected;
}

// Records say more than columns do. A state that was appended since the index was made is left out.
Status PrintJson(const IndexedStore& opened, const Selection& selected, size_t limit) {
  STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, opened.store->Load());
  for (const lineage::Row row : NewestFirst(opened.index, selected, limit)) {
    const auto found = graph.states.find(opened.index.id[row]);
    if (found != graph.states.end()) Print(StateLine(graph, found->second));
  }
  return {};
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
  bool json = false, follow = false;
  Flags flags("log", "What states exist, on which run, and from what each was made.");
  flags.Word("EXPR", &of, "a state (or a run's newest) and its ancestors, or a query's states",
             true);
  flags.Switch("graph", &options.lanes, "draw the tree");
  flags.Switch("follow", &follow, "the oldest first, then each new state, until it is stopped");
  flags.Integer("n", &limit, "N", "only the newest N; 0 is all");
  flags.Text("metric", &options.metric, "NAME", "which metric to show");
  flags.Switch("json", &json, "one JSON object per line");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (limit < 0) return Status(Code::kInvalidArgument, "-n counts states: 0 or more");

  if (follow && options.lanes) {
    return Status(Code::kInvalidArgument, "--graph draws the newest first: leave out --follow");
  }

  options.limit = static_cast<size_t>(limit);
  if (follow) {
    const auto wanted = [&of](const lineage::Index& index) { return Selected(index, of, true); };
    STEMMA_RETURN_IF_ERROR(FollowLog(path, wanted, options, json));
    return 0;
  }
  STEMMA_ASSIGN_OR_RETURN(const IndexedStore opened, OpenIndexed(path));
  STEMMA_ASSIGN_OR_RETURN(const Selection selected, Selected(opened.index, of, false));
  if (json) {
    STEMMA_RETURN_IF_ERROR(PrintJson(opened, selected, options.limit));
    return 0;
  }
  const Terminal terminal = TerminalOfStdout();
  options.utf8 = terminal.utf8;
  PrintCut(LogText(opened.index, selected, options), terminal.columns);
  return 0;
}

}  // namespace stemma::cli
