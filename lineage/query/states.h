// States of an Index in words, the same words as everywhere: "r50@12000", "r50@<=500~2", "r50",
// "tag:best", "5be1c07d"; and back, for messages. Pure functions; any thread.
//
//   STEMMA_ASSIGN_OR_RETURN(const Row row, ResolveRow(index, "r50@"));
//   WordsOf(index, row)                       "5be1c07d r50@12000"
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/index.h"

namespace stemma::lineage::query {

// As Resolve(graph, text), with the same errors.
Result<Row> ResolveRow(const Index& index, std::string_view text);
// kNotFound with the nearest name.
Result<const RunRow*> FindRun(const Index& index, std::string_view name);
Result<const ScopeRow*> FindScope(const Index& index, std::string_view name);

std::string WordsOf(const Index& index, Row row);
// The first eight with their incarnations, and how many more.
std::string ListOf(const Index& index, const std::vector<Row>& rows);

}  // namespace stemma::lineage::query
