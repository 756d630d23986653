// Which states some words of a command line mean: for verbs that work on many.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/status.h"
#include "tools/cli/open_store.h"

namespace stemma::cli {

// Each word is a state, or the name of a run: all its states. kNotFound says which word means
// nothing.
Result<std::set<lineage::StateId>> StatesOf(const lineage::Graph& graph,
                                            const std::vector<std::string>& words);

// "90", "90s", "10m", "2h", "7d" in seconds; kInvalidArgument that says so.
Result<double> SecondsIn(const std::string& flag, const std::string& text);

}  // namespace stemma::cli
