// Which states the words of a verb mean, for verbs on many: a run is all its states, anything else
// is one state.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"
#include "lineage/usage.h"

namespace stemma::cli {

// The states of run `word` in the order of its logs, or the one that Resolve finds.
Result<std::vector<lineage::StateId>> StatesOf(const lineage::Graph& graph,
                                               const std::string& word);

// No words: each run of the store. One run: each of its states. Else one group a word, called as
// the word is.
Result<std::vector<lineage::StateGroup>> GroupsOf(const lineage::Graph& graph,
                                                  const std::vector<std::string>& words);

}  // namespace stemma::cli
