// The state that a point's training ended in: its plan and its name go into the table, and what was
// measured goes to the state as notes, so that the lineage says how fast the run was that made it.
//
//   STEMMA_ASSIGN_OR_RETURN(StoredState state, ReadLastState("points/r2-0/store", "scale-r2-0"));
//   STEMMA_RETURN_IF_ERROR(NoteSpeed("points/r2-0/store", state, row));
//   stemma show scale-r2-0@ --store=...       scale.ranks, scale.samples_per_s, scale.step_p50_s
//
// Failure: as lineage::Store; kNotFound for a run without a state.
#pragma once

#include <string>

#include "core/status.h"
#include "tools/scale/run_table.h"

namespace stemma::scale {

struct StoredState {
  std::string id, plan_digest;  // hex
};

Result<StoredState> ReadLastState(const std::string& store, const std::string& run);

Status NoteSpeed(const std::string& store, const StoredState& state, const RunRow& row);

}  // namespace stemma::scale
