#include "tools/scale/series/stored_state.h"

#include <memory>

#include "core/bytes.h"
#include "lineage/storage.h"
#include "lineage/store.h"

namespace stemma::scale {

Result<StoredState> ReadLastState(const std::string& path, const std::string& run) {
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<lineage::Store> store,
                          lineage::Store::Open(path, /*create=*/false, lineage::PosixStorage()));
  STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, store->Load());
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId head, lineage::Resolve(graph, run + "@"));
  return StoredState{Hex(head), Hex(graph.states.at(head).plan_digest)};
}

Status NoteSpeed(const std::string& path, const StoredState& state, const RunRow& row) {
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<lineage::Store> store,
                          lineage::Store::Open(path, /*create=*/false, lineage::PosixStorage()));
  const lineage::StateId id = FromHex(state.id);
  STEMMA_RETURN_IF_ERROR(store->Annotate(id, "scale.mode", row.mode));
  STEMMA_RETURN_IF_ERROR(store->Annotate(id, "scale.ranks", int64_t{row.ranks}));
  STEMMA_RETURN_IF_ERROR(store->Annotate(id, "scale.samples_per_s", row.samples_per_s.value_or(0)));
  return store->Annotate(id, "scale.step_p50_s", row.step_p50_s.value_or(0));
}

}  // namespace stemma::scale
