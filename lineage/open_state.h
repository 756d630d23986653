// A state opened for reading: its layout and a reader for each of its packs, all of them there and
// together the whole state. What restore and export stand on. Internal to lineage/.
//
//   STEMMA_ASSIGN_OR_RETURN(Layout layout, LayoutOf(store, record));
//   OpenState state{std::move(layout), {}};
//   STEMMA_RETURN_IF_ERROR(OpenPacks(store, record, &state));
//   for (const auto& pack : state.packs) for (const PackPiece& piece : pack->pieces()) ...
//
// One thread at a time, as PackReader. Failure: as PackReader and CheckCoverage.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/layout.h"
#include "lineage/pack.h"
#include "lineage/store.h"

namespace stemma::lineage {

Result<Layout> LayoutOf(const Store& store, const Record& record);

struct OpenState {
  Layout layout;
  std::vector<std::unique_ptr<PackReader>> packs;
};

// Fills `state->packs`, which keep a reference to `state->layout`: the state stays where it is.
Status OpenPacks(const Store& store, const Record& record, OpenState* state);

// "state base@1500 (5be1c07d00112233)", for messages.
std::string StateInWords(const Record& record);

}  // namespace stemma::lineage
