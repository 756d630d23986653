#include "tools/cli/select_states.h"

#include "lineage/graph.h"
#include "tools/cli/open_store.h"

namespace stemma::cli {

Result<std::vector<lineage::StateId>> StatesOf(const lineage::Graph& graph,
                                               const std::string& word) {
  const auto run = graph.runs.find(word);
  if (run != graph.runs.end()) return run->second.states;
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, lineage::Resolve(graph, word));
  return std::vector<lineage::StateId>{id};
}

Result<std::vector<lineage::StateGroup>> GroupsOf(const lineage::Graph& graph,
                                                  const std::vector<std::string>& words) {
  if (words.empty()) return lineage::RunsAsGroups(graph);
  std::vector<lineage::StateGroup> groups;
  for (const std::string& word : words) {
    STEMMA_ASSIGN_OR_RETURN(const std::vector<lineage::StateId> states, StatesOf(graph, word));
    groups.push_back({word, states});
  }
  if (words.size() > 1 || graph.runs.count(words[0]) == 0) return groups;
  std::vector<lineage::StateGroup> each;
  for (const lineage::StateId& id : groups[0].states) each.push_back({Words(graph, id), {id}});
  return each;
}

}  // namespace stemma::cli
