// A state as one JSON object, and flat objects of any verb, for --json: keys in a fixed order, one
// object per line, ids in full, bytes and seconds as plain numbers. The JSON library stays in the
// .cc file, where it costs its seconds of compile time once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"

namespace stemma::cli {

using JsonValue = std::variant<bool, int64_t, uint64_t, double, std::string,
                               std::vector<std::string>, std::map<std::string, double>>;

// {"key": value, ...} and a line break. A number that is none becomes null; text that is not UTF-8
// does not stop it.
std::string JsonLine(const std::vector<std::pair<std::string, JsonValue>>& fields);

// What a record and the graph say of a state; `values`, where there are any, as its last key.
std::string StateLine(const lineage::Graph& graph, const lineage::Record& record,
                      const std::vector<std::pair<std::string, JsonValue>>& values = {});

// The same with children, packs, digests and tensors, which are read from the store.
Result<std::string> DetailedStateLine(const lineage::Store& store, const lineage::Graph& graph,
                                      const lineage::Record& record);

}  // namespace stemma::cli
