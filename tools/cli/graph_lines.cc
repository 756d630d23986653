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
#include "lineage/reshape/reshape.h"
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
  const char *state, *pruned, *lane, *dashed, *tee, *dash, *join, *corner, *cross, *fan, *turn;
};
constexpr Glyphs kUtf8 = {"●", "○", "│", "┆", "├", "─", "┴", "╯", "┼", "┬", "╮"};
constexpr Glyphs kAscii = {"*", "o", "|", ":", "|", "-", "-", "'", "+", "-", "."};

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

// "reshape: ranks 8 -> 2"; of a stack also who the other parents are.
std::string ReshapeNote(const Index& index, Row row) {
  std::string text = "reshape";
  for (const char* key : {lineage::kReshapeHow, lineage::kReshapeSet}) {
    const Values* const column = index.attributes.Find(key);
    const std::string part = column == nullptr ? "" : TextAt(index, *column, row);
    if (!part.empty()) text += (key == lineage::kReshapeHow ? ": " : " ") + part;
  }
  return text;
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
  const Values* const how = index.attributes.Find(lineage::kReshapeHow);
  const bool told = kind == EdgeKind::kReshape && how != nullptr && how->Find(row) != nullptr;
  if (told) notes.push_back(ReshapeNote(index, row));
  const Row parent = index.FirstParent(row);
  const bool other_ranks = parent != kNoRow && index.world[parent] != index.world[row];
  if (other_ranks && !told && kind != EdgeKind::kFork) {
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
      if (waits_[i].row == row) return i;
    }
    return Free(0);
  }

  // The line that joins all other lanes that wait for `row` to `lane`; "" when there are none.
  std::string Join(Row row, size_t lane) {
    std::vector<bool> joins(waits_.size(), false);
    for (size_t i = lane + 1; i < waits_.size(); ++i) joins[i] = waits_[i].row == row;
    const std::string line = Across(lane, joins, glyphs_.join, glyphs_.corner);
    if (line.empty()) return line;  // nobody waits yet for the lane just taken: it stays
    for (size_t i = 0; i < joins.size(); ++i) {
      if (joins[i]) waits_[i] = {};
    }
    Trim();
    return line;
  }

  // The lanes beside the state in `lane`, which then waits for `parent`.
  std::string Draw(size_t lane, bool pruned, Row parent, bool dashed) {
    std::string line;
    for (size_t i = 0; i < waits_.size(); ++i) {
      if (i > 0) line += " ";
      line += i == lane ? (pruned ? glyphs_.pruned : glyphs_.state) : LaneGlyph(i);
    }
    waits_[lane] = {parent, dashed};
    Trim();
    return line;
  }

  // The line that opens a lane for each of `others`, parents beside the first of the state in
  // `lane`, which still waits for that one; "" when there are none.
  std::string Fan(size_t lane, const std::vector<Row>& others, bool dashed) {
    std::vector<bool> opens;
    for (const Row other : others) {
      const size_t at = Free(lane + 1);
      waits_[at] = {other, dashed};
      opens.resize(waits_.size(), false);
      opens[at] = true;
    }
    opens.resize(waits_.size(), false);
    return Across(lane, opens, glyphs_.fan, glyphs_.turn);
  }

 private:
  struct Wait {
    Row row = kNoRow;
    bool dashed = false;
  };

  // A lane from `first` on that waits for nothing.
  size_t Free(size_t first) {
    for (size_t i = first; i < waits_.size(); ++i) {
      if (waits_[i].row == kNoRow) return i;
    }
    waits_.resize(std::max(waits_.size(), first) + 1);
    return waits_.size() - 1;
  }

  const char* LaneGlyph(size_t i) const {
    if (waits_[i].row == kNoRow) return " ";
    return waits_[i].dashed ? glyphs_.dashed : glyphs_.lane;
  }

  // A line from `lane` to the last of the lanes that are marked, which meet it.
  std::string Across(size_t lane, const std::vector<bool>& meets, const char* inner,
                     const char* outer) const {
    size_t last = lane;
    for (size_t i = 0; i < meets.size(); ++i) {
      if (meets[i]) last = i;
    }
    if (last == lane) return "";
    std::string line;
    for (size_t i = 0; i < waits_.size(); ++i) {
      const bool inside = i > lane && i < last;
      if (i == lane) {
        line += glyphs_.tee;
      } else if (meets[i]) {
        line += i == last ? outer : inner;
      } else if (inside) {
        line += waits_[i].row == kNoRow ? glyphs_.dash : glyphs_.cross;
      } else {
        line += LaneGlyph(i);
      }
      if (i + 1 < waits_.size()) line += i >= lane && i < last ? glyphs_.dash : " ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
  }

  void Trim() {
    while (!waits_.empty() && waits_.back().row == kNoRow) waits_.pop_back();
  }

  const Glyphs glyphs_;
  std::vector<Wait> waits_;
};

// Parents but the first, each once.
std::vector<Row> OtherParents(const Index& index, Row row) {
  std::vector<Row> others;
  for (const Row parent : index.ParentsOf(row)) {
    const bool known = parent == index.FirstParent(row) ||
                       std::find(others.begin(), others.end(), parent) != others.end();
    if (!known) others.push_back(parent);
  }
  return others;
}

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
    const bool dashed = index.edge[row.row] == EdgeKind::kReshape;
    lines.push_back({lanes.Draw(lane, pruned, index.FirstParent(row.row), dashed), &row});
    const std::string fan = lanes.Fan(lane, OtherParents(index, row.row), dashed);
    if (!fan.empty()) lines.push_back({fan, nullptr});
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
