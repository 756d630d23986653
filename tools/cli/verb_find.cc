#include <algorithm>
#include <set>

#include "core/bytes.h"
#include "lineage/index.h"
#include "lineage/query/query.h"
#include "tools/cli/graph_lines.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

using lineage::Index;
using lineage::QueryColumn;
using lineage::Row;
using lineage::Scalar;

constexpr char kNotes[] =
    "A query compares what states are and where they stand:\n"
    "  metric.X  hp.X (settings)  attr.X  run  step  epoch  samples  world  incarnation  capture\n"
    "  reason  audit  time  age  bytes.own  bytes.shared  bytes.logical; loss is metric.loss\n"
    "  = != < <= > >=  ~ 'pattern'  in (...)  + - * / %  and or not, also & | !\n"
    "  x::y between two states, x:: descendants, ::y ancestors\n"
    "  parents children prev next ancestors descendants heads roots lca path forkpoints tagged\n"
    "  pruned suspect quarantined live best lowest highest first last exists older run all none\n"
    "  order by VALUE [desc]  limit N\n"
    "A value that a state does not have is unknown: neither the predicate nor its `not` selects\n"
    "the state; exists(metric.loss) asks. Texts stand in quotes, a minus between blanks.\n"
    "\n"
    "Examples\n"
    "  stemma find 'metric.val_acc > 0.92 and hp.optim.name in (\"lamb\", \"lars\")'\n"
    "  stemma find 'best(val_loss, 3) & descendants(r50@30) & lr > 0.1' --explain\n"
    "  stemma find 'tag:baseline:: & heads() order by loss limit 5' --csv\n"
    "  stemma find 'children(r50@<=500)' --ids | head -1\n"
    "\n"
    "Exit code 1 and a line on stderr when nothing matches.\n";

struct Output {
  bool json = false, csv = false, ids = false;
};

// RFC 4180, without carriage returns.
std::string CsvCell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string cell = "\"";
  for (const char c : text) cell += c == '"' ? std::string("\"\"") : std::string(1, c);
  return cell + "\"";
}

void PrintCsvRow(const std::vector<std::string>& cells) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) line += (i ? "," : "") + CsvCell(cells[i]);
  Print(line + "\n");
}

// id, run, step and the like first, then what the query speaks of.
Status PrintCsv(const Index& index, const std::vector<Row>& rows,
                const std::vector<QueryColumn>& mentioned) {
  STEMMA_ASSIGN_OR_RETURN(
      const lineage::Query always,
      lineage::ParseQuery("exists(run) & exists(step) & exists(incarnation) & exists(samples) & "
                          "exists(epoch) & exists(time)"));
  STEMMA_ASSIGN_OR_RETURN(std::vector<QueryColumn> columns, lineage::ColumnsOf(always, index));
  std::set<std::string> known;
  for (const QueryColumn& column : columns) known.insert(column.name);
  for (const QueryColumn& column : mentioned) {
    if (known.insert(column.name).second) columns.push_back(column);
  }
  std::vector<std::string> head = {"id"};
  for (const QueryColumn& column : columns) head.push_back(column.name);
  PrintCsvRow(head);
  for (const Row row : rows) {
    std::vector<std::string> cells = {Hex(index.id[row])};
    for (const QueryColumn& column : columns) cells.push_back(lineage::TextOf(column.at(row)));
    PrintCsvRow(cells);
  }
  return {};
}

// Records say more than columns do.
Status PrintJson(const IndexedStore& opened, const std::vector<Row>& rows,
                 const std::vector<QueryColumn>& mentioned) {
  STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, opened.store->Load());
  for (const Row row : rows) {
    const auto found = graph.states.find(opened.index.id[row]);
    if (found == graph.states.end()) continue;
    std::vector<std::pair<std::string, JsonValue>> values;
    for (const QueryColumn& column : mentioned) {
      const auto add = [&values, &column](const auto& value) {
        using Kind = std::decay_t<decltype(value)>;
        if constexpr (!std::is_same_v<Kind, std::monostate>) values.push_back({column.name, value});
      };
      std::visit(add, column.at(row));
    }
    Print(StateLine(graph, found->second, values));
  }
  return {};
}

// The lines of `stemma log` in the query's order. What the query speaks of and the line does not
// show comes last.
void PrintLines(const Index& index, const std::vector<Row>& rows,
                const std::vector<QueryColumn>& mentioned) {
  const std::string prefix = "metric.";
  std::string metric = "loss";
  for (const QueryColumn& column : mentioned) {
    if (column.name.rfind(prefix, 0) != 0) continue;
    metric = column.name.substr(prefix.size());
    break;
  }
  const std::set<std::string> shown = {"run",       "step",          "epoch",
                                       "bytes.own", "bytes.logical", prefix + metric};
  const Selection left_behind = LeftBehind(index);
  std::vector<std::vector<std::string>> lines;
  for (const Row row : rows) {
    lines.push_back(RowOf(index, row, metric, left_behind[row]).cells);
    for (const QueryColumn& column : mentioned) {
      if (shown.count(column.name)) continue;
      const std::string value = lineage::TextOf(column.at(row));
      lines.back().push_back(value.empty() ? "" : column.name + " " + value);
    }
  }
  const size_t width = TerminalOfStdout().columns;
  for (const std::string& line : Columns(lines)) Print(Cut(line, width) + "\n");
}

Status PrintFound(const IndexedStore& opened, const lineage::Query& query,
                  const std::vector<Row>& rows, const Output& output) {
  const Index& index = opened.index;
  if (output.ids) {
    for (const Row row : rows) Print(Hex(index.id[row]) + "\n");
    return {};
  }
  STEMMA_ASSIGN_OR_RETURN(const std::vector<QueryColumn> mentioned,
                          lineage::ColumnsOf(query, index));
  if (output.csv) return PrintCsv(index, rows, mentioned);
  if (output.json) return PrintJson(opened, rows, mentioned);
  PrintLines(index, rows, mentioned);
  return {};
}

}  // namespace

Result<int> RunFind(const Arguments& arguments) {
  std::string path, text;
  Output output;
  bool explain = false;
  int64_t limit = 0;
  Flags flags("find", "The states that a query selects, newest first.");
  flags.Word("EXPR", &text, "the query, in quotes for the shell");
  flags.Integer("n", &limit, "N", "only the first N; 0 is all");
  flags.Switch("json", &output.json, "one JSON object per line");
  flags.Switch("csv", &output.csv, "a table with the values that the query speaks of");
  flags.Switch("ids", &output.ids, "full ids and nothing else");
  flags.Switch("explain", &explain, "only how many states each part selected");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (limit < 0) return Status(Code::kInvalidArgument, "-n counts states: 0 or more");
  if (output.json + output.csv + output.ids + explain > 1) {
    return Status(Code::kInvalidArgument, "--json, --csv, --ids and --explain: one of them");
  }

  STEMMA_ASSIGN_OR_RETURN(const lineage::Query query, lineage::ParseQuery(text));
  STEMMA_ASSIGN_OR_RETURN(const IndexedStore opened, OpenIndexed(path));
  const Index& index = opened.index;
  STEMMA_ASSIGN_OR_RETURN(lineage::Answer answer, lineage::Find(query, index));
  if (explain) Print(lineage::ExplainText(answer.part));
  if (answer.rows.empty()) return lineage::OneOf(answer, index).status();
  if (explain) return 0;
  if (limit > 0) answer.rows.resize(std::min(answer.rows.size(), static_cast<size_t>(limit)));
  STEMMA_RETURN_IF_ERROR(PrintFound(opened, query, answer.rows, output));
  return 0;
}

}  // namespace stemma::cli
