// Where a sweep stands: the stages that follow from its history, held against the runs that the
// store has. Computed anew from the lineage each time, by the controller, `sweep status` and
// `sweep report` alike; nobody keeps it.
//
//   STEMMA_ASSIGN_OR_RETURN(const Standing now, StandingOf(spec, base, history, graph));
//   for (StageId id : now.tree.Ready()) now.runs[id].name       // may be trained
//
// A stage is the run that RunName() gives it (plan.h). It is done when that run has a state at the
// stage's last step, whatever became of that state's bytes; so whoever trained it, and whenever, it
// is never trained again. Pure. Failure: as plan.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"
#include "tools/sweep/base.h"
#include "tools/sweep/history.h"
#include "tools/sweep/spec.h"
#include "tools/sweep/stage_tree.h"

namespace stemma::sweep {

struct StageRun {
  std::string name;
  bool is_there = false;                // forked or begun
  int64_t reached = 0;                  // the last step it has a state of
  std::optional<lineage::StateId> end;  // the state of its last step: it is done
};

struct Standing {
  StageTree tree;              // with what is done marked so
  std::vector<StageRun> runs;  // by StageId
};

Result<Standing> StandingOf(const SweepSpec& spec, const Base& base, const History& history,
                            const lineage::Graph& graph);

// The state that a stage begins with; nullopt: none, it begins a run at step 0. REQUIRES: its
// parent is done.
std::optional<lineage::StateId> BeginsAt(const Standing& standing, const Base& base,
                                         const Stage& stage);

}  // namespace stemma::sweep
