#include "lineage/open_state.h"

#include <utility>

#include "core/bytes.h"
#include "lineage/chunk_cache.h"
#include "lineage/coverage.h"
#include "lineage/graph.h"
#include "lineage/side_by_side.h"

namespace stemma::lineage {

Result<Layout> LayoutOf(const Store& store, const Record& record) {
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, store.GetLayout(record.layout));
  return Layout::Decode(bytes);
}

Result<std::unique_ptr<PackReader>> OpenPack(const Store& store, const Record& record,
                                             const PackRef& pack, const Layout& layout,
                                             std::shared_ptr<internal::ChunkCache> cache) {
  const auto open = [&] {
    return PackReader::Open(store.storage(), store.PackPath(pack.pack), pack.pack, layout, cache);
  };
  auto opened = open();
  if (opened.status().code() != Code::kNotFound) return opened;
  STEMMA_RETURN_IF_ERROR(store.EnsurePacks(record, IfPruned::kRefuse));
  return open();
}

std::unique_ptr<OpenState> OpenState::Another() const {
  auto another = std::make_unique<OpenState>(OpenState{layout, {}});
  for (const auto& pack : packs) another->packs.push_back(pack->Another());
  return another;
}

Result<std::unique_ptr<OpenState>> OpenWhole(const Store& store, const Record& record,
                                             size_t chunks_kept) {
  STEMMA_ASSIGN_OR_RETURN(Layout layout, LayoutOf(store, record));
  auto state =
      std::make_unique<OpenState>(OpenState{std::make_shared<const Layout>(std::move(layout)), {}});
  const auto cache = std::make_shared<internal::ChunkCache>(chunks_kept);
  STEMMA_RETURN_IF_ERROR(store.EnsurePacks(record, IfPruned::kRefuse));
  std::vector<Status> opened(record.packs.size());
  state->packs.resize(record.packs.size());
  internal::SideBySide(record.packs.size(), 1, [&](size_t i) {
    auto reader = OpenPack(store, record, record.packs[i], *state->layout, cache);
    opened[i] = reader.status();
    if (reader.ok()) state->packs[i] = *std::move(reader);
  });
  std::vector<PackPiece> pieces;
  for (size_t i = 0; i < opened.size(); ++i) {
    STEMMA_RETURN_IF_ERROR(opened[i]);
    const std::vector<PackPiece>& held = state->packs[i]->pieces();
    pieces.insert(pieces.end(), held.begin(), held.end());
  }
  STEMMA_RETURN_IF_ERROR(CheckCoverage(*state->layout, RanksHeld(record), std::move(pieces)));
  return state;
}

std::string StateInWords(const Record& record) {
  return "state " + NameOfState(record) + " (" + Hex(record.id).substr(0, 16) + ")";
}

}  // namespace stemma::lineage
