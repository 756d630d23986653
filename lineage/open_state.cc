#include "lineage/open_state.h"

#include <utility>

#include "core/bytes.h"
#include "lineage/coverage.h"
#include "lineage/graph.h"

namespace stemma::lineage {

Result<Layout> LayoutOf(const Store& store, const Record& record) {
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, store.GetLayout(record.layout));
  return Layout::Decode(bytes);
}

Result<std::unique_ptr<PackReader>> OpenPack(const Store& store, const Record& record,
                                             const PackRef& pack, const Layout& layout) {
  const auto open = [&] {
    return PackReader::Open(store.storage(), store.PackPath(pack.pack), pack.pack, layout);
  };
  auto opened = open();
  if (opened.status().code() != Code::kNotFound) return opened;
  STEMMA_RETURN_IF_ERROR(store.EnsurePacks(record, IfPruned::kRefuse));
  return open();
}

Result<std::unique_ptr<OpenState>> OpenWhole(const Store& store, const Record& record) {
  STEMMA_ASSIGN_OR_RETURN(Layout layout, LayoutOf(store, record));
  auto state = std::make_unique<OpenState>(OpenState{std::move(layout), {}});
  STEMMA_RETURN_IF_ERROR(store.EnsurePacks(record, IfPruned::kRefuse));
  std::vector<PackPiece> pieces;
  for (const PackRef& pack : record.packs) {
    STEMMA_ASSIGN_OR_RETURN(std::unique_ptr<PackReader> reader,
                            OpenPack(store, record, pack, state->layout));
    pieces.insert(pieces.end(), reader->pieces().begin(), reader->pieces().end());
    state->packs.push_back(std::move(reader));
  }
  STEMMA_RETURN_IF_ERROR(CheckCoverage(state->layout, RanksHeld(record), std::move(pieces)));
  return state;
}

std::string StateInWords(const Record& record) {
  return "state " + NameOfState(record) + " (" + Hex(record.id).substr(0, 16) + ")";
}

}  // namespace stemma::lineage
