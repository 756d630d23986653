#include "lineage/audit.h"

#include <algorithm>
#include <map>

#include "core/bytes.h"
#include "core/digest.h"

namespace stemma::lineage {
namespace {

std::string RankList(const std::vector<size_t>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (size_t i = 0; i < ranks.size() && i < 16; ++i) {
    text += (i ? ", " : "") + std::to_string(ranks[i]);
  }
  return text + (ranks.size() > 16 ? ", ..." : "");
}

}  // namespace

ReplicaSample::ReplicaSample(const std::vector<Span>& spans, uint64_t capture, uint64_t every,
                             int64_t step)
    : seed_(static_cast<uint64_t>(step)) {
  uint64_t number = 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    if (spans[i].role != Role::kReplicated && spans[i].role != Role::kFrozen) continue;
    const uint64_t size = static_cast<uint64_t>(spans[i].bytes());
    for (uint64_t offset = 0; offset < size; offset += kAuditTileBytes, ++number) {
      if (number % every != capture % every) continue;
      tiles_.push_back({i, offset, std::min(kAuditTileBytes, size - offset), spans[i].eager, 0});
    }
  }
}

Status ReplicaSample::Hash(Source& source, bool eager) {
  std::string buffer(kAuditTileBytes, '\0');
  for (Tile& tile : tiles_) {
    if (tile.eager != eager) continue;
    STEMMA_RETURN_IF_ERROR(source.Read(tile.span, tile.offset, tile.bytes, buffer.data()));
    tile.digest = Xxh64(std::string_view(buffer).substr(0, tile.bytes));
  }
  return {};
}

uint64_t ReplicaSample::Digest() const {
  Encoder all;
  for (const Tile& tile : tiles_) all.U64(tile.digest);
  const uint64_t digest = Xxh64(all.bytes(), seed_);
  return digest == 0 ? 1 : digest;
}

std::string DifferingRanks(const std::vector<uint64_t>& digests) {
  std::map<uint64_t, std::vector<size_t>> groups;
  for (size_t rank = 0; rank < digests.size(); ++rank) groups[digests[rank]].push_back(rank);
  if (groups.size() <= 1) return "";
  uint64_t most = digests[0];  // of equally large groups, rank 0's or else the first
  for (const auto& [digest, ranks] : groups) {
    if (ranks.size() > groups[most].size()) most = digest;
  }
  std::vector<size_t> others;
  for (size_t rank = 0; rank < digests.size(); ++rank) {
    if (digests[rank] != most) others.push_back(rank);
  }
  return RankList(others) + (others.size() == 1 ? " differs" : " differ") + " from " +
         RankList(groups[most]);
}

}  // namespace stemma::lineage
