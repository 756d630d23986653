#include <set>

#include "tools/cli/graph_lines.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

#include "lineage/graph.h"
#include "lineage/index.h"
#include "lineage/query/query.h"

namespace stemma::cli {
namespace {

constexpr char kNotes[] =
    "Examples\n"
    "  stemma log --graph                     the whole tree\n"
    "  stemma log r50 -n 5                    the newest five of run r50 and what it came from\n"
    "  stemma log 'heads() & loss < 2'        the states of a query, see `stemma find --help`\n"
    "  stemma log --json | jq .metrics.loss   for programs: one object per line\n"
    "\n"
    "A line: id, run@step, epoch, metric and its change since the parent, bytes that the state "
    "added\n"
    "to the disk (a fork adds none), bytes that restoring it brings back, and what is known of "
    "it.\n";

Result<std::set<lineage::StateId>> Found(const OpenedStore& opened, const std::string& text) {
  STEMMA_ASSIGN_OR_RETURN(const lineage::Query query, lineage::ParseQuery(text));
  const lineage::Index index = lineage::IndexOf(opened.graph, *opened.store);
  STEMMA_ASSIGN_OR_RETURN(const lineage::Answer answer, lineage::Find(query, index));
  if (answer.rows.empty()) return lineage::OneOf(answer, index).status();
  std::set<lineage::StateId> states;
  for (const lineage::Row row : answer.rows) states.insert(index.id[row]);
  return states;
}

Result<std::set<lineage::StateId>> Selected(const OpenedStore& opened, const std::string& of) {
  const lineage::Graph& graph = opened.graph;
  std::set<lineage::StateId> states;
  if (of.empty()) {
    for (const auto& [id, record] : graph.states) states.insert(id);
    return states;
  }
  if (!lineage::IsPlainState(of)) return Found(opened, of);
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, lineage::Resolve(graph, of));
  states.insert(id);
  for (const lineage::StateId& ancestor : lineage::Ancestors(graph, id)) {
    if (graph.states.count(ancestor)) states.insert(ancestor);
  }
  return states;
}

void PrintJson(const lineage::Graph& graph, const std::set<lineage::StateId>& states,
               size_t limit) {
  size_t printed = 0;
  for (const lineage::StateId& id : NewestFirst(graph, states)) {
    if (limit > 0 && printed++ == limit) return;
    Print(StateLine(graph, graph.states.at(id)));
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
  flags.Word("EXPR", &of, "a state (or a run's newest) and its ancestors, or a query's states",
             true);
  flags.Switch("graph", &options.lanes, "draw the tree");
  flags.Integer("n", &limit, "N", "only the newest N; 0 is all");
  flags.Text("metric", &options.metric, "NAME", "which metric to show");
  flags.Switch("json", &json, "one JSON object per line");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (limit < 0) return Status(Code::kInvalidArgument, "-n counts states: 0 or more");

  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const auto states, Selected(opened, of));
  options.limit = static_cast<size_t>(limit);
  if (json) {
    PrintJson(opened.graph, states, options.limit);
    return 0;
  }
  const Terminal terminal = TerminalOfStdout();
  options.utf8 = terminal.utf8;
  PrintCut(LogText(opened.graph, states, options), terminal.columns);
  return 0;
}

}  // namespace stemma::cli
