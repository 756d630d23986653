// Do the packs of a state hold every byte of it, once? A pure function over the pieces of all its
// packs; Restore asks before it writes the first byte, fsck for every state.
#pragma once

#include <cstdint>
#include <vector>

#include "core/status.h"
#include "lineage/layout.h"
#include "lineage/pack.h"

namespace stemma::lineage {

// `pieces` in any order, in the form of PackReader::pieces(); PerRank spans must be there for each
// of `world` ranks. kCorruption names the span and the elements that are missing or there twice.
Status CheckCoverage(const Layout& layout, uint32_t world, std::vector<PackPiece> pieces);

// The same question of one span (of `rank`'s, where it is PerRank) and the pieces of it alone.
Status CheckSpanCoverage(const Layout& layout, uint32_t span, uint32_t rank,
                         std::vector<PackPiece> pieces);

}  // namespace stemma::lineage
