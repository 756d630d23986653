// Which states the words of a verb mean, for verbs on many: a run is all its states, a plain name
// one state, and anything else a query.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/usage.h"
#include "lineage/store.h"

namespace stemma::cli {

// The states of run `word` in the order of its logs, the one that Resolve finds, or what the query
// selects, newest first. An error says which word means nothing.
Result<std::vector<lineage::StateId>> StatesOf(const lineage::Store& store,
                                               const lineage::Graph& graph,
                                               const std::string& word);
// Those of all words, each once.
Result<std::set<lineage::StateId>> StatesOfAll(const lineage::Store& store,
                                               const lineage::Graph& graph,
                                               const std::vector<std::string>& words);

// No words: each run of the store. One run: each of its states. Else one group a word, called as
// the word is.
Result<std::vector<lineage::StateGroup>> GroupsOf(const lineage::Store& store,
                                                  const lineage::Graph& graph,
                                                  const std::vector<std::string>& words);

}  // namespace stemma::cli
