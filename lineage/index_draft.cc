#include "lineage/index_draft.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "lineage/marks.h"

namespace stemma::lineage::internal {
namespace {

// Most keys are there at every state, so neighbours share one list of rows.
Table FinishTable(TableDraft draft) {
  Table table;
  for (auto& [key, column] : draft) {
    Column<uint32_t> at = std::move(column.at);
    if (!table.columns.empty() && table.columns.back().at == at) at = table.columns.back().at;
    table.keys.push_back(key);
    table.columns.push_back({std::move(at), std::move(column.values)});
  }
  return table;
}

Column<Row> ById(const IdColumn& id) {
  std::vector<Row> rows(id.size());
  for (Row row = 0; row < rows.size(); ++row) rows[row] = row;
  std::sort(rows.begin(), rows.end(), [&](Row a, Row b) { return id[a] < id[b]; });
  return rows;
}

}  // namespace

Value FloatValue(double value) {
  Value out{ValueKind::kFloat, 0};
  std::memcpy(&out.bits, &value, sizeof out.bits);
  return out;
}

Value NumberValue(const ValueView& value) {
  if (const bool* yes = std::get_if<bool>(&value)) return {ValueKind::kBool, *yes ? 1u : 0u};
  if (const int64_t* number = std::get_if<int64_t>(&value)) {
    return {ValueKind::kInt, static_cast<uint64_t>(*number)};
  }
  return FloatValue(std::get<double>(value));
}

ValueView ViewOf(const AttributeValue& value) {
  if (const bool* yes = std::get_if<bool>(&value)) return *yes;
  if (const int64_t* number = std::get_if<int64_t>(&value)) return *number;
  if (const double* number = std::get_if<double>(&value)) return *number;
  return std::string_view(std::get<std::string>(value));
}

Value IndexDraft::TextValue(std::string_view text) {
  const auto known = known_.find(text);
  if (known != known_.end()) return {ValueKind::kText, known->second};
  texts_.emplace_back(text);
  known_.emplace(texts_.back(), texts_.size() - 1);
  return {ValueKind::kText, texts_.size() - 1};
}

Value IndexDraft::ValueOf(const ValueView& value) {
  const auto* const text = std::get_if<std::string_view>(&value);
  return text != nullptr ? TextValue(*text) : NumberValue(value);
}

// Counting sort by parent: children ascend.
void IndexDraft::AddChildren(Index* index) const {
  const size_t states = index->size();
  std::vector<uint32_t> begin(states + 1);
  for (const Row parent : index->parents) ++begin[parent + 1];
  for (size_t i = 0; i < states; ++i) begin[i + 1] += begin[i];
  std::vector<Row> children(index->parents.size());
  std::vector<uint32_t> next(begin.begin(), begin.end() - 1);
  for (Row row = 0; row < states; ++row) {
    for (const Row parent : index->ParentsOf(row)) children[next[parent]++] = row;
  }
  index->child_begin = std::move(begin);
  index->children = std::move(children);
}

void IndexDraft::ApplyMarks(Index* index) {
  for (const auto& [key, flag] :
       {std::pair(kPrunedKey, kPrunedFlag), std::pair(kQuarantinedKey, kQuarantinedFlag)}) {
    const auto column = attributes.find(key);
    if (column == attributes.end()) continue;
    for (size_t i = 0; i < column->second.at.size(); ++i) {
      const Value& value = column->second.values[i];
      const bool set = value.kind == ValueKind::kText && !texts_[value.bits].empty();
      if (set) flags[column->second.at[i]] |= flag;
    }
  }
  for (const auto& [name, open] : scopes) {
    std::vector<Row> members;
    const auto column = attributes.find(ScopeKey(name));
    for (size_t i = 0; column != attributes.end() && i < column->second.at.size(); ++i) {
      const Value& value = column->second.values[i];
      const bool member = value.kind == ValueKind::kBool && value.bits != 0;
      if (member) members.push_back(column->second.at[i]);
    }
    index->scopes.push_back({name, open, std::move(members)});
  }
}

Index IndexDraft::Finish() {
  Index index;
  ApplyMarks(&index);
  parent_begin.push_back(static_cast<uint32_t>(parents.size()));
  index.id = IdColumn(std::move(id));
  index.run = std::move(run);
  index.incarnation = std::move(incarnation);
  index.capture = std::move(capture);
  index.step = std::move(step);
  index.samples = std::move(samples);
  index.epoch = std::move(epoch);
  index.world = std::move(world);
  index.reason = std::move(reason);
  index.wall_ms = std::move(wall_ms);
  index.logical_bytes = std::move(logical_bytes);
  index.own_bytes = std::move(own_bytes);
  index.shared_bytes = std::move(shared_bytes);
  index.flags = std::move(flags);
  index.settings = std::move(settings);
  index.edge = std::move(edge);
  index.parent_begin = std::move(parent_begin);
  index.parents = std::move(parents);
  AddChildren(&index);
  index.metrics = FinishTable(std::move(metrics));
  index.attributes = FinishTable(std::move(attributes));
  index.suspect = {std::move(suspect.at), std::move(suspect.values)};
  index.hp = FinishTable(std::move(hp));
  index.runs = std::move(runs);
  index.tags = std::move(tags);
  index.texts = TextColumn({texts_.begin(), texts_.end()});
  index.warnings = std::move(warnings);
  index.stored_bytes = stored_bytes;
  index.by_id = ById(index.id);
  return index;
}

}  // namespace stemma::lineage::internal
