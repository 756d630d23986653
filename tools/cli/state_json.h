// A state as one JSON object, for --json of log and show: keys in a fixed order, ids in full, bytes
// and seconds as plain numbers.
#pragma once

#include <nlohmann/json.hpp>

#include "lineage/store.h"

namespace stemma::cli {

nlohmann::ordered_json StateJson(const lineage::Graph& graph, const lineage::Record& record);

// One line; text that is not UTF-8 does not stop it.
std::string JsonLine(const nlohmann::ordered_json& json);

}  // namespace stemma::cli
