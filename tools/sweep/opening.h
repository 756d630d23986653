// From a spec, or from what the store remembers of a sweep, to what the controller and the reports
// work on.
//
//   STEMMA_ASSIGN_OR_RETURN(OpenedSweep sweep, OpenSweep(store, graph, text, "lr.toml", host));
//   STEMMA_ASSIGN_OR_RETURN(OpenedSweep sweep, RecordedSweep(store, graph, "lr"));   // for reports
//
// A sweep that was begun goes on with what was recorded then: an edited recipe or another number of
// cores would give other stages, and all would be trained again. So a spec that says something else
// now, other than `slots`, is refused, and so is another base or build.
//
// Two settings are added to a sweep's own, because stages end between the steps of a trial and run
// beside each other:
//   comm.control_lag = 0    a training stops at the step that was asked for, not one later
//   device.threads = N      where nobody has set it: the cores of a slot's rank, with as many slots
//                           as the sweep began with. Left open it would be all cores of the host,
//                           for each of the trials that run at once
//
// Plain data; any thread. Failure: kInvalidArgument with the way out; kNotFound names the sweep.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"
#include "tools/sweep/base.h"
#include "tools/sweep/journal.h"
#include "tools/sweep/spec.h"

namespace stemma::sweep {

struct OpenedSweep {
  SweepSpec spec;  // with what was added
  Base base;
  Begun begun;  // what the journal says, or will say
  Journal journal;
};

// What of this program and machine goes into a sweep that begins.
struct HostFacts {
  std::string build;  // part of every stage's key
  int cores = 1;
  int64_t slots = 0;  // 0: as the spec says
};

Result<OpenedSweep> OpenSweep(const lineage::Store& store, const lineage::Graph& graph,
                              const std::string& text, const std::string& file,
                              const HostFacts& host);
Result<OpenedSweep> RecordedSweep(const lineage::Store& store, const lineage::Graph& graph,
                                  const std::string& name);

// device.threads of every trial; 0: trials differ in it.
int64_t ThreadsOf(const OpenedSweep& sweep);

// The recipe of a stage that begins at step 0: what the base's recipe sets, then the stage's own.
Result<std::string> RecipeOf(const Base& base, const std::vector<std::string>& sets);

}  // namespace stemma::sweep
