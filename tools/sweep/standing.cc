#include "tools/sweep/standing.h"

#include <algorithm>

#include "core/bytes.h"
#include "lineage/graph.h"
#include "tools/sweep/plan.h"

namespace stemma::sweep {
namespace {

// Along the main line: a state that a resume left behind is not what its run went on from.
StageRun RunFor(const SweepSpec& spec, const Stage& stage, const lineage::Graph& graph) {
  StageRun run;
  run.name = RunName(spec, stage);
  run.reached = stage.segment.begin;
  const auto found = graph.runs.find(run.name);
  if (found == graph.runs.end()) return run;
  run.is_there = true;
  for (const lineage::StateId& id : MainLine(graph, found->second)) {
    const int64_t step = graph.states.at(id).step;
    run.reached = std::max(run.reached, step);
    if (step == stage.segment.end) run.end = id;
  }
  return run;
}

}  // namespace

Result<Standing> StandingOf(const SweepSpec& spec, const Base& base, const History& history,
                            const lineage::Graph& graph) {
  STEMMA_ASSIGN_OR_RETURN(StageTree tree, TreeOf(spec, base, history));
  std::vector<StageRun> runs;
  for (const Stage& stage : tree.stages()) runs.push_back(RunFor(spec, stage, graph));
  for (StageId id = 0; id < static_cast<StageId>(runs.size()); ++id) {
    if (runs[static_cast<size_t>(id)].end) tree.Done(id);
  }
  return Standing{std::move(tree), std::move(runs)};
}

std::optional<lineage::StateId> BeginsAt(const Standing& standing, const Base& base,
                                         const Stage& stage) {
  if (stage.parent != kBase) return standing.runs[static_cast<size_t>(stage.parent)].end;
  if (base.is_state) return FromHex(base.root);
  return std::nullopt;
}

}  // namespace stemma::sweep
