#include "tools/sweep/pruning.h"

#include <set>

#include "lineage/marks.h"
#include "lineage/retention.h"
#include "lineage/survey.h"

namespace stemma::sweep {
namespace {

constexpr double kGraceS = -1;  // a state of this moment may be marked: being young delays gc only

}  // namespace

Result<size_t> PruneStages(lineage::Store& store, const std::string& sweep,
                           const lineage::Graph& graph, const Standing& standing,
                           const std::vector<StageId>& stages, const std::string& why) {
  const std::string membership = lineage::ScopeKey(sweep);
  std::set<lineage::StateId> wanted;
  for (const StageId stage : stages) {
    const auto run = graph.runs.find(standing.runs[static_cast<size_t>(stage)].name);
    if (run == graph.runs.end()) continue;
    for (const lineage::StateId& id : run->second.states) {
      if (!IsPruned(graph, id)) wanted.insert(id);
    }
  }
  size_t marked = 0;
  if (wanted.empty()) return marked;
  STEMMA_ASSIGN_OR_RETURN(lineage::Survey survey, SurveyStore(store, kGraceS));
  for (const lineage::StateId& id : wanted) {  // by the survey: `graph` may be older
    if (!IsMarked(survey.graph, id, membership)) continue;
    STEMMA_RETURN_IF_ERROR(store.Mark(id, membership, false));
    survey.graph.notes[id][membership] = false;
  }
  for (const auto& item : PlanPrune(survey.graph, survey.facts, wanted).items) {
    if (!item.root.empty() || item.pruned) continue;
    STEMMA_RETURN_IF_ERROR(store.Mark(item.id, lineage::kPrunedKey, "sweep " + sweep + ": " + why));
    ++marked;
  }
  return marked;
}

}  // namespace stemma::sweep
