// A pack holds one writer's part of a state: an immutable, valid safetensors file whose name is its
// content. All sizes are known before the first byte, so it is written in one sequential pass and
// nothing is patched. FORMAT.md has the bytes.
//
//   header | params high | params low | others high | low | other dtypes | per rank | chunks
//
//   STEMMA_ASSIGN_OR_RETURN(PackPlan plan, PlanPack(layout, identity));
//   STEMMA_ASSIGN_OR_RETURN(auto file, storage.Create(tmp, {plan.file_bytes, true}));
//   STEMMA_ASSIGN_OR_RETURN(ObjectId id, WritePack(plan, layout, staged, *file));  // then rename
//
// f32 spans are stored as two planes (planes.h), everything else and PerRank spans as they are.
// Every 1 MiB of data has an XXH3-128; the pack's id is the SHA-256 of header and table, so the
// record that names the pack binds every byte of it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/layout.h"
#include "lineage/record.h"
#include "lineage/storage.h"

namespace stemma::lineage {
namespace internal {
class ChunkCache;
}

constexpr uint64_t kPackAlign = 4096;  // of every part and of the file
constexpr uint64_t kChunkBytes = uint64_t{1} << 20;

enum class Plane : uint8_t { kWhole, kHigh, kLow };  // not on disk

// Consecutive elements of one span, one plane, at one place of the file. Plain data.
struct PackPiece {
  uint32_t span = 0;  // index into Layout::spans()
  Plane plane = Plane::kWhole;
  uint64_t first = 0, count = 0;  // elements
  uint32_t rank = 0;              // PerRank: whose; otherwise 0
  uint64_t file_offset = 0, file_bytes = 0;
};

// What the header says beside the pieces. Run and incarnation make packs of two incarnations differ
// even where their bytes are the same.
struct PackIdentity {
  std::string run;  // ulid
  uint32_t incarnation = 0;
  uint64_t capture = 0;
  uint32_t writer = 0, writers = 1;
  std::vector<uint32_t> ranks;  // whose PerRank spans lie in this pack, ascending; may be empty
};

struct PackPlan {
  std::string header;             // the file's first bytes; a multiple of 4096
  std::vector<PackPiece> pieces;  // in file order; empty spans have count 0 (writer 0 has them)
  uint64_t chunked_bytes = 0;     // data before the table, a multiple of 4096
  uint64_t chunks = 0;
  uint64_t file_bytes = 0;  // a multiple of 4096
};

// A pure function. `sharded`: what this writer's rank holds of sharded spans, by span, then offset
// (HeldBy). `part`: writer and writers count within it; a pack of frozen spans holds nothing else.
// kInvalidArgument: writer or ranks make no sense, or the header passes its limit.
Result<PackPlan> PlanPack(const Layout& layout, const PackIdentity& identity,
                          const std::vector<SpanRange>& sharded = {},
                          SpanPart part = SpanPart::kAll);

// Where WritePack finds bytes: in a staged copy, which does not change until it returns.
class PieceSource {
 public:
  virtual ~PieceSource() = default;
  // Copies `bytes` bytes from `offset` of span `span` (of `rank`'s, for PerRank) to `out`: the
  // element's own bytes, both planes. f32 is asked for twice, once for each plane.
  virtual Status Read(uint32_t span, uint32_t rank, uint64_t offset, uint64_t bytes, char* out) = 0;
};

struct PackWriteOptions {
  uint64_t write_bytes = 8 << 20;  // of one Append; a multiple of 4096. Buffers are 4096-aligned
};

// Appends the whole pack to `file`, which is new and empty; neither syncs nor closes it. Returns
// the pack's id. On failure the file is worthless.
Result<ObjectId> WritePack(const PackPlan& plan, const Layout& layout, PieceSource& source,
                           WritableFile& file, const PackWriteOptions& options = {});

// Where the digests stand: `bytes` bytes from `begin` of the file in chunks of kChunkBytes, and an
// XXH3-128 of each, one after the other.
struct PackChunks {
  uint64_t begin = 0, bytes = 0;
  std::string_view digests;  // lives as long as the reader
};
// Who wrote a pack, as its own header says: an orphan needs no log to be told apart. Neither the id
// nor the data is checked. kCorruption when the file is no pack.
struct PackOwner {
  std::string run;  // ulid
  uint32_t incarnation = 0;
};
Result<PackOwner> ReadPackOwner(Storage& storage, const std::string& path);

// Reads a pack and believes nothing of it: the header is checked before use and against the id,
// each chunk against its digest before any byte of it is handed out. One thread at a time per
// PackReader; `storage` and `layout` outlive it and its likes. Failure: kCorruption that names
// file, span and byte range; kIncompatible for a newer version or another layout.
//
// The chunks that were read last are kept in `cache`: for readers of many packs, or for many
// threads, which need kChunksKept each for what lies across chunks' borders. Null: one of its own.
constexpr size_t kChunksKept = 4;  // two planes, each across a border
class PackReader {
 public:
  static Result<std::unique_ptr<PackReader>> Open(
      Storage& storage, const std::string& path, const ObjectId& id, const Layout& layout,
      std::shared_ptr<internal::ChunkCache> cache = nullptr);
  virtual ~PackReader() = default;
  // The same pack for one of several threads, which read past the page cache (GoDirect): header and
  // cache of chunks are shared, nothing is read anew. Any thread; it may outlive this one.
  virtual std::unique_ptr<PackReader> Another() const = 0;

  virtual const PackIdentity& identity() const = 0;
  // What the pack holds, sorted by (span, rank, first); `plane` is kWhole for two-plane spans too,
  // and file_offset that of the high plane. Never overlapping.
  virtual const std::vector<PackPiece>& pieces() const = 0;
  // Elements [first, first + count) of a span, which lie in one of pieces(), as the span's own
  // bytes. `out` has room for count elements. `rank` as in the piece.
  virtual Status Read(uint32_t span, uint32_t rank, uint64_t first, uint64_t count, char* out) = 0;
  // The same of one plane alone, kHigh or kLow: 2 bytes for each element, and none of the other
  // plane is read. kInvalidArgument for a span that is not stored in planes.
  virtual Status ReadPlane(Plane plane, uint32_t span, uint64_t first, uint64_t count,
                           char* out) = 0;
  // The same bytes where they lie, which saves a copy: `use` gets them in pieces of whole elements,
  // each with the number of bytes before it.
  using PlaneUser = std::function<void(uint64_t before, std::string_view piece)>;
  virtual Status UsePlane(Plane plane, uint32_t span, uint64_t first, uint64_t count,
                          const PlaneUser& use) = 0;
  // For verify.h, which reads the data without handing it out.
  virtual PackChunks chunks() const = 0;
  // "'w1', 'b1'": the tensors with bytes in [begin, end) of the file; "padding" where none is.
  virtual std::string TensorsIn(uint64_t begin, uint64_t end) const = 0;
  // Frees all but its cache, and closes the file until the next Read; whoever goes on to another of
  // many packs calls it.
  virtual void Forget() = 0;
};

}  // namespace stemma::lineage
