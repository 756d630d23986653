// What a pack's header says, taken apart and checked: everything of it but its data. What
// pack_reader.cc stands on; not for users.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "core/status.h"
#include "lineage/layout.h"
#include "lineage/pack.h"
#include "lineage/storage.h"

namespace stemma::lineage::internal {

// A piece with both its places; `low` counts only where the span has two planes.
struct HeldPiece {
  uint64_t high = 0, low = 0;  // in the data
  bool has_high = false, has_low = false;
};
using PieceKey = std::tuple<uint32_t, uint32_t, uint64_t, uint64_t>;  // span, rank, first, count

struct PackContents {
  PackIdentity identity;    // without the ranks
  uint64_t data_begin = 0;  // in the file
  uint64_t chunked_bytes = 0;
  std::string table;  // a digest of each chunk
  std::map<PieceKey, HeldPiece> held;
};

// Reads header and chunk table and believes neither: both are held against `id`, and the pieces
// against `layout`. Failure: as PackReader.
Result<PackContents> ReadPackContents(Storage& storage, const std::string& path, const ObjectId& id,
                                      const Layout& layout);

}  // namespace stemma::lineage::internal
