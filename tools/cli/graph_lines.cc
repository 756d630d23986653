#include "tools/cli/graph_lines.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <queue>
#include <string_view>
#include <tuple>

#include "core/bytes.h"
#include "core/text.h"
#include "lineage/graph.h"
#include "tools/cli/terminal.h"

namespace stemma::cli {
namespace {

using lineage::EdgeKind;
using lineage::Index;
using lineage::kNoRow;
using lineage::Row;
using lineage::Value;
using lineage::ValueKind;
using lineage::Values;

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

double NumberOf(const Value& value) {
  double number;
  std::memcpy(&number, &value.bits, sizeof number);
  return number;
}

std::string MetricCell(const Index& index, Row row, const std::string& metric) {
  const Values* const column = index.metrics.Find(metric);
  const Value* const now = column != nullptr ? column->Find(row) : nullptr;
  if (now == nullptr) return "";
  std::string text = metric + " " + Printed("%.4g", NumberOf(*now));
  // A fork or a reshape is its parent's state: no change to speak of.
  const Row parent = index.FirstParent(row);
  if (parent == kNoRow || index.edge[row] != EdgeKind::kTrain) return text;
  const Value* const before = column->Find(parent);
  if (before == nullptr) return text;
  return text + " (" + Printed("%+.2g", NumberOf(*now) - NumberOf(*before)) + ")";
}

std::string TextAt(const Index& index, const Values& column, Row row) {
  const Value* const value = column.Find(row);
  if (value == nullptr || value->kind != ValueKind::kText) return "";
  return index.texts[value->bits];
}

std::string ForkNote(const Index& index, Row row) {
  const Values* const set = index.attributes.Find("fork.set");
  if (set == nullptr || set->Find(row) == nullptr) return "fork";
  return "fork: " + TextAt(index, *set, row);
}

std::string ImportNote(const Index& index, Row row) {
  const Values* const file = index.attributes.Find(lineage::kImportFile);
  if (file == nullptr || file->Find(row) == nullptr) return "import";
  return "import: " + TextAt(index, *file, row);
}

std::string Notes(const Index& index, Row row, bool left_behind) {
  std::vector<std::string> notes;
  if (index.runs[index.run[row]].head == row) notes.push_back("head");
  for (const lineage::TagRow& tag : index.tags) {
    if (tag.target == row) notes.push_back("tag:" + tag.name);
  }
  const EdgeKind kind = index.edge[row];
  if (kind == EdgeKind::kFork) notes.push_back(ForkNote(index, row));
  if (kind == EdgeKind::kImport) notes.push_back(ImportNote(index, row));
  const Row parent = index.FirstParent(row);
  if (parent != kNoRow && index.world[parent] != index.world[row] && kind != EdgeKind::kFork) {
    notes.push_back("ranks " + std::to_string(index.world[parent]) + " -> " +
                    std::to_string(index.world[row]));
  }
  if ((index.flags[row] & lineage::kSuspectFlag) != 0) {
    notes.push_back(TextAt(index, index.suspect, row));
  }
  if ((index.flags[row] & lineage::kPrunedFlag) != 0) notes.push_back("pruned");
  if ((index.flags[row] & lineage::kQuarantinedFlag) != 0) notes.push_back("quarantined");
  if (left_behind) notes.push_back("left behind");
  std::string text;
  for (const std::string& note : notes) text += (text.empty() ? "" : "  ") + note;
  return text;
}

// Lanes while drawing: the state that each waits for, or nothing.
class Lanes {
 public:
  explicit Lanes(bool utf8) : glyphs_(utf8 ? kUtf8 : kAscii) {}

  // The lane of `row`: the leftmost that waits for it, else a free one.
  size_t Take(Row row) {
    for (size_t i = 0; i < waits_.size(); ++i) {
      if (waits_[i] == row) return i;
    }
    for (size_t i = 0; i < waits_.size(); ++i) {
      if (waits_[i] == kNoRow) return i;
    }
    waits_.push_back(kNoRow);
    return waits_.size() - 1;
  }

  // The line that joins all other lanes that wait for `row` to `lane`; "" when there are none.
  std::string Join(Row row, size_t lane) {
    size_t last = lane;
    for (size_t i = lane + 1; i < waits_.size(); ++i) {
      if (waits_[i] == row) last = i;
    }
    if (last == lane) return "";
    std::string line;
    for (size_t i = 0; i < waits_.size(); ++i) {
      const bool joins = i > lane && waits_[i] == row;
      const bool inside = i > lane && i < last;
      line += i == lane ? glyphs_.tee : JoinGlyph(i, joins, inside, i == last);
      if (i + 1 < waits_.size()) line += i >= lane && i < last ? glyphs_.dash : " ";
      if (joins) waits_[i] = kNoRow;
    }
    Trim();
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
  }

  // The lanes beside the state in `lane`, which then waits for `parent`.
  std::string Draw(size_t lane, bool pruned, Row parent) {
    std::string line;
    for (size_t i = 0; i < waits_.size(); ++i) {
      if (i > 0) line += " ";
      line += i == lane             ? (pruned ? glyphs_.pruned : glyphs_.state)
              : waits_[i] == kNoRow ? " "
                                    : glyphs_.lane;
    }
    waits_[lane] = parent;
    Trim();
    return line;
  }

 private:
  const char* JoinGlyph(size_t i, bool joins, bool inside, bool is_last) const {
    if (joins) return is_last ? glyphs_.corner : glyphs_.join;
    if (waits_[i] == kNoRow) return inside ? glyphs_.dash : " ";
    return inside ? glyphs_.cross : glyphs_.lane;
  }

  void Trim() {
    while (!waits_.empty() && waits_.back() == kNoRow) waits_.pop_back();
  }

  const Glyphs glyphs_;
  std::vector<Row> waits_;
};

// Of what is wanted: a pruned state has given its bytes up, whether or not a collector has come by.
std::string Summary(const Index& index, size_t shown) {
  uint64_t logical = 0;
  for (Row row = 0; row < index.size(); ++row) {
    if ((index.flags[row] & lineage::kPrunedFlag) == 0) logical += index.logical_bytes[row];
  }
  const size_t states = index.size(), runs = index.runs.size();
  std::string text = shown == states ? "" : std::to_string(shown) + " of ";
  text += std::to_string(states) + (states == 1 ? " state, " : " states, ") + std::to_string(runs) +
          (runs == 1 ? " run" : " runs");
  return text + "; " + HumanBytes(index.stored_bytes) + " stored for " + HumanBytes(logical) +
         " logical\n";
}

}  // namespace

Selection AllRows(const Index& index) { return Selection(index.size(), true); }

Selection WithAncestors(const Index& index, Row row) {
  Selection selected(index.size(), false);
  selected[row] = true;
  for (Row at = row + 1; at-- > 0;) {  // parents have smaller rows
    if (!selected[at]) continue;
    for (const Row parent : index.ParentsOf(at)) selected[parent] = true;
  }
  return selected;
}

std::vector<Row> NewestFirst(const Index& index, const Selection& selected, size_t limit) {
  using Entry = std::tuple<int64_t, int64_t, std::string_view, Row>;  // the largest is drawn next
  std::vector<uint32_t> undrawn(index.size());                        // children
  for (Row row = 0; row < index.size(); ++row) {
    if (!selected[row]) continue;
    for (const Row parent : index.ParentsOf(row)) ++undrawn[parent];
  }
  std::priority_queue<Entry> free;
  const auto push = [&](Row row) {
    free.push({index.wall_ms[row], index.step[row], index.id[row], row});
  };
  for (Row row = 0; row < index.size(); ++row) {
    if (selected[row] && undrawn[row] == 0) push(row);
  }
  std::vector<Row> order;
  while (!free.empty() && (limit == 0 || order.size() < limit)) {
    order.push_back(std::get<3>(free.top()));
    free.pop();
    for (const Row parent : index.ParentsOf(order.back())) {
      if (selected[parent] && --undrawn[parent] == 0) push(parent);
    }
  }
  return order;
}

LogRow RowOf(const Index& index, Row row, const std::string& metric, bool left_behind) {
  const std::string name = index.runs[index.run[row]].name + "@" + std::to_string(index.step[row]);
  return {row,
          {Hex(index.id[row]).substr(0, 8), name, Printed("ep %.2f", index.epoch[row]),
           MetricCell(index, row, metric), "stored " + HumanBytes(index.own_bytes[row]),
           "logical " + HumanBytes(index.logical_bytes[row]), Notes(index, row, left_behind)}};
}

std::vector<LogLine> DrawLanes(const Index& index, const std::vector<LogRow>& rows, bool utf8) {
  Lanes lanes(utf8);
  std::vector<LogLine> lines;
  for (const LogRow& row : rows) {
    const size_t lane = lanes.Take(row.row);
    const std::string join = lanes.Join(row.row, lane);
    if (!join.empty()) lines.push_back({join, nullptr});
    const bool pruned = (index.flags[row.row] & lineage::kPrunedFlag) != 0;
    lines.push_back({lanes.Draw(lane, pruned, index.FirstParent(row.row)), &row});
  }
  return lines;
}

Selection LeftBehind(const Index& index) {
  Selection out(index.size(), false);
  for (uint32_t run = 0; run < index.runs.size(); ++run) {
    for (const Row row : index.runs[run].states) out[row] = true;
    Row row = index.runs[run].head;
    for (; row != kNoRow && index.run[row] == run; row = index.FirstParent(row)) out[row] = false;
  }
  return out;
}

std::string LogText(const Index& index, const Selection& selected, const LogOptions& options) {
  const Selection left_behind = LeftBehind(index);
  std::vector<LogRow> rows;
  for (const Row row : NewestFirst(index, selected, options.limit)) {
    rows.push_back(RowOf(index, row, options.metric, left_behind[row]));
  }
  std::vector<LogLine> lines;
  if (options.lanes) {
    lines = DrawLanes(index, rows, options.utf8);
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
  return text + Summary(index, rows.size());
}

}  // namespace stemma::cli
