// An Index while it is made: the same columns as growing vectors, one row added after the other.
// Both makers use it, IndexOf() from a graph and LoadIndex() from logs. Not for users.
//
//   IndexDraft draft;
//   draft.step.push_back(record.step); ... draft.metrics["loss"].Add(row, FloatValue(0.25));
//   Index index = draft.Finish();          // children and by_id follow from the rest
//
// REQUIRES: rows in order, parents before children; in a column `at` never descends. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lineage/index.h"
#include "lineage/record_codec.h"

namespace stemma::lineage::internal {

struct ColumnDraft {
  std::vector<uint32_t> at;
  std::vector<Value> values;

  void Add(uint32_t where, const Value& value) {
    at.push_back(where);
    values.push_back(value);
  }
};
using TableDraft = std::map<std::string, ColumnDraft>;

Value FloatValue(double value);
Value NumberValue(const ValueView& value);  // REQUIRES: no text
// A text is looked at only while the view lives.
ValueView ViewOf(const AttributeValue& value);

struct IndexDraft {
  std::vector<char> id;  // 32 bytes each
  std::vector<uint32_t> run, incarnation;
  std::vector<uint64_t> capture;
  std::vector<int64_t> step;
  std::vector<uint64_t> samples;
  std::vector<double> epoch;
  std::vector<uint32_t> world;
  std::vector<Reason> reason;
  std::vector<int64_t> wall_ms;
  std::vector<uint64_t> logical_bytes, own_bytes, shared_bytes;
  std::vector<uint8_t> flags;
  std::vector<uint32_t> settings;
  std::vector<EdgeKind> edge;
  std::vector<uint32_t> parent_begin;  // of each row; the end is added by Finish
  std::vector<Row> parents;
  TableDraft metrics, attributes, hp;
  ColumnDraft suspect;
  std::vector<RunRow> runs;
  std::vector<TagRow> tags;
  std::map<std::string, bool> scopes;  // name: is it open; members follow from attributes
  std::vector<std::string> warnings;
  uint64_t stored_bytes = 0;

  Value TextValue(std::string_view text);  // each text is kept once
  Value ValueOf(const ValueView& value);
  Value ValueOf(const AttributeValue& value) { return ValueOf(ViewOf(value)); }
  Index Finish();  // call once, last

 private:
  // What marks (marks.h) say of states: flags, members of scopes.
  void ApplyMarks(Index* index);
  void AddChildren(Index* index) const;

  std::deque<std::string> texts_;  // stays where it is: `known_` looks into it
  std::unordered_map<std::string_view, uint64_t> known_;
};

}  // namespace stemma::lineage::internal
