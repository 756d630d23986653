#include "lineage/coverage.h"

#include <algorithm>
#include <string>
#include <tuple>

namespace stemma::lineage {
namespace {

using Piece = std::vector<PackPiece>::const_iterator;

bool Before(const PackPiece& a, const PackPiece& b) {
  return std::tie(a.span, a.rank, a.first, a.count) < std::tie(b.span, b.rank, b.first, b.count);
}

// Eats the pieces of (span, rank) from `next`, which must be [0, count) without gap or overlap.
Status Eat(const Span& span, uint32_t index, uint32_t rank, Piece* next, Piece end) {
  uint64_t at = 0;
  const uint64_t count = static_cast<uint64_t>(span.count());
  for (; *next != end && (*next)->span == index && (*next)->rank == rank; ++*next) {
    if ((*next)->count == 0) continue;
    if ((*next)->first != at) break;
    at += (*next)->count;
  }
  const bool more = *next != end && (*next)->span == index && (*next)->rank == rank;
  if (at == count && !more) return {};
  std::string what = "span '" + span.name + "'";
  if (span.role == Role::kPerRank) what += " of rank " + std::to_string(rank);
  return {Code::kCorruption,
          what + ": elements from " + std::to_string(at) + " of " + std::to_string(count) +
              (more && (*next)->first < at ? " are there twice" : " are missing")};
}

}  // namespace

Status CheckCoverage(const Layout& layout, uint32_t world, std::vector<PackPiece> pieces) {
  std::sort(pieces.begin(), pieces.end(), Before);
  Piece next = pieces.begin();
  for (uint32_t i = 0; i < layout.spans().size(); ++i) {
    const Span& span = layout.spans()[i].span;
    const uint32_t ranks = span.role == Role::kPerRank ? world : 1;
    for (uint32_t rank = 0; rank < ranks; ++rank) {
      STEMMA_RETURN_IF_ERROR(Eat(span, i, rank, &next, pieces.end()));
    }
  }
  if (next == pieces.end()) return {};
  return {Code::kCorruption, "a pack holds a part of rank " + std::to_string(next->rank) +
                                 ", and the state has " + std::to_string(world) + " ranks"};
}

Status CheckSpanCoverage(const Layout& layout, uint32_t span, uint32_t rank,
                         std::vector<PackPiece> pieces) {
  std::sort(pieces.begin(), pieces.end(), Before);
  Piece next = pieces.begin();
  return Eat(layout.spans()[span].span, span, rank, &next, pieces.end());
}

}  // namespace stemma::lineage
