#include "tools/cli/graph_lines.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <queue>
#include <tuple>

#include "core/bytes.h"
#include "core/text.h"
#include "lineage/graph.h"
#include "lineage/marks.h"
#include "tools/cli/terminal.h"

namespace stemma::cli {
namespace {

using lineage::EdgeKind;
using lineage::Graph;
using lineage::Record;
using lineage::StateId;

// What the picture is drawn with.
struct Glyphs {
  const char *state, *pruned, *lane, *tee, *dash, *join, *corner, *cross;
};
constexpr Glyphs kUtf8 = {"●", "○", "│", "├", "─", "┴", "╯", "┼"};
constexpr Glyphs kAscii = {"*", "o", "|", "|", "-", "-", "'", "+"};

std::string Printed(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

const Record* ParentOf(const Graph& graph, const StateId& id) {
  const std::optional<StateId> parent = lineage::FirstParent(graph, id);
  return parent ? &graph.states.at(*parent) : nullptr;
}

std::string MetricCell(const Record& record, const Record* parent, const std::string& metric) {
  const auto now = record.metrics.find(metric);
  if (now == record.metrics.end()) return "";
  std::string text = metric + " " + Printed("%.4g", now->second);
  // A fork or a reshape is its parent's state: no change to speak of.
  const bool trained = !record.parents.empty() && record.parents[0].kind == EdgeKind::kTrain;
  if (!parent || !trained) return text;
  const auto before = parent->metrics.find(metric);
  if (before == parent->metrics.end()) return text;
  return text + " (" + Printed("%+.2g", now->second - before->second) + ")";
}

std::string TextOf(const lineage::AttributeValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return "";
}

std::string Notes(const Graph& graph, const Record& record, const Record* parent,
                  bool left_behind) {
  std::vector<std::string> notes;
  const auto run = graph.runs.find(record.run_name);
  if (run != graph.runs.end() && run->second.head == record.id) notes.push_back("head");
  for (const auto& [name, tag] : graph.tags) {
    if (tag.target == record.id) notes.push_back("tag:" + name);
  }
  const EdgeKind kind = record.parents.empty() ? EdgeKind::kTrain : record.parents[0].kind;
  if (kind == EdgeKind::kFork) {
    const auto set = record.attributes.find("fork.set");
    notes.push_back(set == record.attributes.end() ? "fork" : "fork: " + TextOf(set->second));
  }
  if (kind == EdgeKind::kImport) notes.push_back("import");
  if (parent && parent->world != record.world && kind != EdgeKind::kFork) {
    notes.push_back("ranks " + std::to_string(parent->world) + " -> " +
                    std::to_string(record.world));
  }
  if (lineage::IsPruned(graph, record.id)) notes.push_back("pruned");
  if (lineage::IsSuspect(record)) notes.push_back(record.audit);
  if (left_behind) notes.push_back("left behind");
  std::string text;
  for (const std::string& note : notes) text += (text.empty() ? "" : "  ") + note;
  return text;
}

// Lanes while drawing: the state that each waits for, or nothing.
class Lanes {
 public:
  explicit Lanes(bool utf8) : glyphs_(utf8 ? kUtf8 : kAscii) {}

  // The lane of `id`: the leftmost that waits for it, else a free one.
  size_t Take(const StateId& id) {
    for (size_t i = 0; i < waits_.size(); ++i) {
      if (waits_[i] == id) return i;
    }
    for (size_t i = 0; i < waits_.size(); ++i) {
      if (waits_[i].empty()) return i;
    }
    waits_.emplace_back();
    return waits_.size() - 1;
  }

  // The line that joins all other lanes that wait for `id` to `lane`; "" when there are none.
  std::string Join(const StateId& id, size_t lane) {
    size_t last = lane;
    for (size_t i = lane + 1; i < waits_.size(); ++i) {
      if (waits_[i] == id) last = i;
    }
    if (last == lane) return "";
    std::string line;
    for (size_t i = 0; i < waits_.size(); ++i) {
      const bool joins = i > lane && waits_[i] == id;
      const bool inside = i > lane && i < last;
      line += i == lane ? glyphs_.tee : JoinGlyph(i, joins, inside, i == last);
      if (i + 1 < waits_.size()) line += i >= lane && i < last ? glyphs_.dash : " ";
      if (joins) waits_[i].clear();
    }
    Trim();
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
  }

  // The lanes beside the state in `lane`, which then waits for `parent`.
  std::string Draw(size_t lane, bool pruned, const StateId& parent) {
    std::string line;
    for (size_t i = 0; i < waits_.size(); ++i) {
      if (i > 0) line += " ";
      line += i == lane           ? (pruned ? glyphs_.pruned : glyphs_.state)
              : waits_[i].empty() ? " "
                                  : glyphs_.lane;
    }
    waits_[lane] = parent;
    Trim();
    return line;
  }

 private:
  const char* JoinGlyph(size_t i, bool joins, bool inside, bool is_last) const {
    if (joins) return is_last ? glyphs_.corner : glyphs_.join;
    if (waits_[i].empty()) return inside ? glyphs_.dash : " ";
    return inside ? glyphs_.cross : glyphs_.lane;
  }

  void Trim() {
    while (!waits_.empty() && waits_.back().empty()) waits_.pop_back();
  }

  const Glyphs glyphs_;
  std::vector<StateId> waits_;
};

std::string Summary(const Graph& graph, size_t shown) {
  uint64_t logical = 0;
  for (const auto& [id, record] : graph.states) logical += record.logical_bytes;
  const size_t states = graph.states.size(), runs = graph.runs.size();
  std::string text = shown == states ? "" : std::to_string(shown) + " of ";
  text += std::to_string(states) + (states == 1 ? " state, " : " states, ") + std::to_string(runs) +
          (runs == 1 ? " run" : " runs");
  return text + "; " + HumanBytes(lineage::StoredBytes(graph)) + " stored for " +
         HumanBytes(logical) + " logical\n";
}

}  // namespace

std::vector<StateId> NewestFirst(const Graph& graph, const std::set<StateId>& states) {
  using Entry = std::tuple<int64_t, int64_t, StateId>;  // the largest is drawn next
  std::map<StateId, size_t> undrawn;                    // children
  for (const StateId& id : states) {
    for (const lineage::Edge& edge : graph.states.at(id).parents) {
      if (states.count(edge.parent)) ++undrawn[edge.parent];
    }
  }
  std::priority_queue<Entry> free;
  const auto push = [&](const StateId& id) {
    const Record& record = graph.states.at(id);
    free.push({record.wall_ms, record.step, id});
  };
  for (const StateId& id : states) {
    if (!undrawn.count(id)) push(id);
  }
  std::vector<StateId> order;
  while (!free.empty()) {
    order.push_back(std::get<2>(free.top()));
    free.pop();
    for (const lineage::Edge& edge : graph.states.at(order.back()).parents) {
      const auto parent = undrawn.find(edge.parent);
      if (parent != undrawn.end() && --parent->second == 0) push(edge.parent);
    }
  }
  return order;
}

LogRow RowOf(const Graph& graph, const StateId& id, const std::string& metric, bool left_behind) {
  const Record& record = graph.states.at(id);
  const Record* parent = ParentOf(graph, id);
  const lineage::StateBytes bytes = lineage::BytesOf(graph, record);
  return {id,
          {Hex(id).substr(0, 8), lineage::NameOfState(record), Printed("ep %.2f", record.epoch),
           MetricCell(record, parent, metric), "stored " + HumanBytes(bytes.own),
           "logical " + HumanBytes(bytes.logical), Notes(graph, record, parent, left_behind)}};
}

std::vector<LogLine> DrawLanes(const Graph& graph, const std::vector<LogRow>& rows, bool utf8) {
  Lanes lanes(utf8);
  std::vector<LogLine> lines;
  for (const LogRow& row : rows) {
    const size_t lane = lanes.Take(row.id);
    const std::string join = lanes.Join(row.id, lane);
    if (!join.empty()) lines.push_back({join, nullptr});
    const StateId parent = lineage::FirstParent(graph, row.id).value_or("");
    lines.push_back({lanes.Draw(lane, lineage::IsPruned(graph, row.id), parent), &row});
  }
  return lines;
}

std::set<StateId> LeftBehind(const Graph& graph) {
  std::set<StateId> out;
  for (const auto& [name, run] : graph.runs) {
    for (const StateId& id : lineage::SideBranches(graph, run)) out.insert(id);
  }
  return out;
}

std::string LogText(const Graph& graph, const std::set<StateId>& states,
                    const LogOptions& options) {
  std::vector<StateId> order = NewestFirst(graph, states);
  if (options.limit > 0 && order.size() > options.limit) order.resize(options.limit);
  const std::set<StateId> left_behind = LeftBehind(graph);
  std::vector<LogRow> rows;
  for (const StateId& id : order) {
    rows.push_back(RowOf(graph, id, options.metric, left_behind.count(id) > 0));
  }
  std::vector<LogLine> lines;
  if (options.lanes) {
    lines = DrawLanes(graph, rows, options.utf8);
  } else {
    for (const LogRow& row : rows) lines.push_back({"", &row});
  }
  std::vector<std::vector<std::string>> cells;
  for (const LogLine& line : lines) {
    cells.push_back({line.lanes});
    if (line.row)
      cells.back().insert(cells.back().end(), line.row->cells.begin(), line.row->cells.end());
  }
  std::string text;
  for (const std::string& line : Columns(cells)) text += line + "\n";
  return text + Summary(graph, rows.size());
}

}  // namespace stemma::cli
