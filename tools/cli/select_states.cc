#include "tools/cli/select_states.h"

#include "lineage/index.h"
#include "lineage/query/query.h"
#include "tools/cli/open_store.h"

namespace stemma::cli {

Result<std::vector<lineage::StateId>> StatesOf(const lineage::Store& store,
                                               const lineage::Graph& graph,
                                               const std::string& word) {
  const auto run = graph.runs.find(word);
  if (run != graph.runs.end()) return run->second.states;
  if (lineage::IsPlainState(word)) {
    STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, lineage::Resolve(graph, word));
    return std::vector<lineage::StateId>{id};
  }
  STEMMA_ASSIGN_OR_RETURN(const lineage::Query query, lineage::ParseQuery(word));
  const lineage::Index index = lineage::IndexOf(graph, store);
  STEMMA_ASSIGN_OR_RETURN(const lineage::Answer answer, lineage::Find(query, index));
  if (answer.rows.empty()) return lineage::OneOf(answer, index).status();
  std::vector<lineage::StateId> states;
  for (const lineage::Row row : answer.rows) states.emplace_back(index.id[row]);
  return states;
}

Result<std::set<lineage::StateId>> StatesOfAll(const lineage::Store& store,
                                               const lineage::Graph& graph,
                                               const std::vector<std::string>& words) {
  std::set<lineage::StateId> all;
  for (const std::string& word : words) {
    STEMMA_ASSIGN_OR_RETURN(const std::vector<lineage::StateId> states,
                            StatesOf(store, graph, word));
    all.insert(states.begin(), states.end());
  }
  return all;
}

Result<std::vector<lineage::StateGroup>> GroupsOf(const lineage::Store& store,
                                                  const lineage::Graph& graph,
                                                  const std::vector<std::string>& words) {
  if (words.empty()) return lineage::RunsAsGroups(graph);
  std::vector<lineage::StateGroup> groups;
  for (const std::string& word : words) {
    STEMMA_ASSIGN_OR_RETURN(const std::vector<lineage::StateId> states,
                            StatesOf(store, graph, word));
    groups.push_back({word, states});
  }
  if (words.size() > 1 || graph.runs.count(words[0]) == 0) return groups;
  std::vector<lineage::StateGroup> each;
  for (const lineage::StateId& id : groups[0].states) each.push_back({Words(graph, id), {id}});
  return each;
}

}  // namespace stemma::cli
