// Two indexes, field by field. Texts are compared as texts: their numbers are each index's own.
#pragma once

#include <string>
#include <vector>

#include "lineage/index.h"

#include <catch2/catch.hpp>

namespace stemma::lineage {

inline std::vector<std::string> ValuesAsText(const Index& index, const Values& column) {
  std::vector<std::string> out;
  for (size_t i = 0; i < column.at.size(); ++i) {
    const Value value = column.values[i];
    const auto kind = static_cast<int>(value.kind);
    out.push_back(std::to_string(column.at[i]) + ":" + std::to_string(kind) + ":" +
                  (value.kind == ValueKind::kText ? std::string(index.texts[value.bits])
                                                  : std::to_string(value.bits)));
  }
  return out;
}

inline void CheckSameTable(const Index& a, const Table& of_a, const Index& b, const Table& of_b) {
  REQUIRE(of_a.keys == of_b.keys);
  for (size_t i = 0; i < of_a.columns.size(); ++i) {
    CHECK(ValuesAsText(a, of_a.columns[i]) == ValuesAsText(b, of_b.columns[i]));
  }
}

inline void CheckSameIndex(const Index& a, const Index& b) {
  REQUIRE(a.size() == b.size());
  CHECK((a.id.bytes() == b.id.bytes()));
  CHECK((a.run == b.run));
  CHECK((a.incarnation == b.incarnation));
  CHECK((a.capture == b.capture));
  CHECK((a.step == b.step));
  CHECK((a.samples == b.samples));
  CHECK((a.epoch == b.epoch));
  CHECK((a.world == b.world));
  CHECK((a.reason == b.reason));
  CHECK((a.wall_ms == b.wall_ms));
  CHECK((a.logical_bytes == b.logical_bytes));
  CHECK((a.own_bytes == b.own_bytes));
  CHECK((a.shared_bytes == b.shared_bytes));
  CHECK((a.flags == b.flags));
  CHECK((a.settings == b.settings));
  CHECK((a.edge == b.edge));
  CHECK((a.parent_begin == b.parent_begin));
  CHECK((a.child_begin == b.child_begin));
  CHECK((a.parents == b.parents));
  CHECK((a.children == b.children));
  CHECK((a.by_id == b.by_id));
  CHECK(a.stored_bytes == b.stored_bytes);
  CHECK(a.warnings == b.warnings);
  CheckSameTable(a, a.metrics, b, b.metrics);
  CheckSameTable(a, a.attributes, b, b.attributes);
  CheckSameTable(a, a.hp, b, b.hp);
  CHECK(ValuesAsText(a, a.suspect) == ValuesAsText(b, b.suspect));
  REQUIRE(a.runs.size() == b.runs.size());
  for (size_t i = 0; i < a.runs.size(); ++i) {
    CHECK(a.runs[i].name == b.runs[i].name);
    CHECK(a.runs[i].ulid == b.runs[i].ulid);
    CHECK((a.runs[i].states == b.runs[i].states));
    CHECK(a.runs[i].head == b.runs[i].head);
    CHECK(a.runs[i].newest_incarnation == b.runs[i].newest_incarnation);
  }
  REQUIRE(a.scopes.size() == b.scopes.size());
  for (size_t i = 0; i < a.scopes.size(); ++i) {
    CHECK(a.scopes[i].name == b.scopes[i].name);
    CHECK(a.scopes[i].open == b.scopes[i].open);
    CHECK((a.scopes[i].members == b.scopes[i].members));
  }
  REQUIRE(a.tags.size() == b.tags.size());
  for (size_t i = 0; i < a.tags.size(); ++i) {
    CHECK(a.tags[i].name == b.tags[i].name);
    CHECK(a.tags[i].target == b.tags[i].target);
    CHECK(a.tags[i].version == b.tags[i].version);
  }
}

}  // namespace stemma::lineage
