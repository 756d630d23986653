// A state opened for reading: its layout and a reader for each of its packs, all of them there and
// together the whole state. What restore and export stand on. Internal to lineage/.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto state, OpenWhole(store, record));
//   for (const auto& pack : state->packs) for (const PackPiece& piece : pack->pieces()) ...
//
// One thread at a time, as PackReader; others go on with Another(). Failure: as PackReader and
// CheckCoverage.
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
  std::shared_ptr<const Layout> layout;            // the readers refer to it
  std::vector<std::unique_ptr<PackReader>> packs;  // in the order of the record; one cache for all

  // For another thread: nothing is read or checked anew.
  std::unique_ptr<OpenState> Another() const;
};

// `chunks_kept` of all its packs together, for all threads.
Result<std::unique_ptr<OpenState>> OpenWhole(const Store& store, const Record& record,
                                             size_t chunks_kept = kChunksKept);

// One pack of it. A collector may move it to its trash at this moment: it is brought back then.
// `layout` outlives the result; `cache` as for PackReader.
Result<std::unique_ptr<PackReader>> OpenPack(const Store& store, const Record& record,
                                             const PackRef& pack, const Layout& layout,
                                             std::shared_ptr<internal::ChunkCache> cache = nullptr);

// "state base@1500 (5be1c07d00112233)", for messages.
std::string StateInWords(const Record& record);

}  // namespace stemma::lineage
