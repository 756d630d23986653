// A state opened for reading: its layout and a reader for each of its packs, all of them there and
// together the whole state. What restore and export stand on. Internal to lineage/.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto state, OpenWhole(store, record));
//   for (const auto& pack : state->packs) for (const PackPiece& piece : pack->pieces()) ...
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

// The readers keep a reference to the layout, so it stays where it is.
struct OpenState {
  Layout layout;
  std::vector<std::unique_ptr<PackReader>> packs;  // in the order of the record
};

Result<std::unique_ptr<OpenState>> OpenWhole(const Store& store, const Record& record);

// One pack of it. A collector may move it to its trash at this moment: it is brought back then.
// `layout` outlives the result.
Result<std::unique_ptr<PackReader>> OpenPack(const Store& store, const Record& record,
                                             const PackRef& pack, const Layout& layout);

// "state base@1500 (5be1c07d00112233)", for messages.
std::string StateInWords(const Record& record);

}  // namespace stemma::lineage
