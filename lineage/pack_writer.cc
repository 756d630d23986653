#include <algorithm>
#include <cstring>

#include "core/check.h"
#include "core/digest.h"
#include "lineage/pack.h"
#include "lineage/planes.h"
#include "lineage/write_behind.h"

namespace stemma::lineage {
namespace {

constexpr uint64_t kTileBytes = 1 << 18;  // fetched at once: stays in the cache until it is split

// Gathers the file in aligned buffers, hashes the data in chunks as it leaves, and appends.
class Stream {
 public:
  Stream(WritableFile& file, uint64_t buffer_bytes, uint64_t header_bytes)
      : out_(file, buffer_bytes), unhashed_(header_bytes) {}

  // Room for at most `bytes` more; the caller fills it and calls Filled().
  Result<char*> Room(uint64_t bytes, uint64_t* room) {
    if (used_ == out_.capacity()) STEMMA_RETURN_IF_ERROR(Flush());
    *room = std::min(bytes, out_.capacity() - used_);
    return out_.buffer() + used_;
  }

  void Filled(uint64_t bytes) {
    Hash({out_.buffer() + used_, bytes});
    used_ += bytes;
    written_ += bytes;
  }

  Status Append(std::string_view bytes) {
    while (!bytes.empty()) {
      uint64_t room = 0;
      STEMMA_ASSIGN_OR_RETURN(char* const to, Room(bytes.size(), &room));
      std::memcpy(to, bytes.data(), room);
      Filled(room);
      bytes.remove_prefix(room);
    }
    return {};
  }

  Status Zeros(uint64_t bytes) {
    const std::string zeros(bytes, '\0');
    return Append(zeros);
  }

  // All of it is in the file.
  Status Finish() {
    STEMMA_RETURN_IF_ERROR(Flush());
    return out_.Finish();
  }

  // Ends the last chunk; what follows is not hashed.
  std::string TakeTable() {
    if (in_chunk_ > 0) EndChunk();
    hashing_ = false;
    return std::move(table_);
  }

  uint64_t written() const { return written_; }

 private:
  Status Flush() {
    const uint64_t bytes = used_;
    used_ = 0;
    return out_.Append(bytes);
  }
  void Hash(std::string_view bytes) {
    const uint64_t skip = std::min<uint64_t>(unhashed_, bytes.size());
    unhashed_ -= skip;
    bytes.remove_prefix(skip);
    while (hashing_ && !bytes.empty()) {
      const std::string_view part = bytes.substr(0, kChunkBytes - in_chunk_);
      digest_.Update(part);
      in_chunk_ += part.size();
      if (in_chunk_ == kChunkBytes) EndChunk();
      bytes.remove_prefix(part.size());
    }
  }
  void EndChunk() {
    table_ += digest_.Finish();
    digest_.Reset();
    in_chunk_ = 0;
  }

  WriteBehind out_;
  uint64_t used_ = 0, written_ = 0;
  uint64_t unhashed_;  // header bytes still to come
  uint64_t in_chunk_ = 0;
  bool hashing_ = true;
  Xxh128Stream digest_;
  std::string table_;
};

// One piece: fetched tile by tile, split where it is a plane, straight into the write buffer.
Status WritePiece(const PackPiece& piece, uint64_t element, PieceSource& source, Stream* stream,
                  std::string* tile) {
  const uint64_t stored = piece.plane == Plane::kWhole ? element : element / 2;
  uint64_t done = 0;  // stored bytes
  while (done < piece.file_bytes) {
    uint64_t room = 0;
    const uint64_t want = std::min(piece.file_bytes - done, kTileBytes);
    STEMMA_ASSIGN_OR_RETURN(char* const to, stream->Room(want, &room));
    const uint64_t count = room / stored;
    // Parts begin at multiples of 4096, as the buffer does, and wider elements come first in a
    // part.
    STEMMA_CHECK(count > 0, "no element lies across the end of the buffer");
    const uint64_t at = (piece.first + done / stored) * element, bytes = count * element;
    if (piece.plane == Plane::kWhole) {
      STEMMA_RETURN_IF_ERROR(source.Read(piece.span, piece.rank, at, bytes, to));
    } else {
      tile->resize(bytes);
      STEMMA_RETURN_IF_ERROR(source.Read(piece.span, piece.rank, at, bytes, tile->data()));
      (piece.plane == Plane::kHigh ? SplitHigh : SplitLow)(*tile, to);
    }
    stream->Filled(count * stored);
    done += count * stored;
  }
  return {};
}

}  // namespace

Result<ObjectId> WritePack(const PackPlan& plan, const Layout& layout, PieceSource& source,
                           WritableFile& file, const PackWriteOptions& options) {
  STEMMA_CHECK(options.write_bytes > 0 && options.write_bytes % kPackAlign == 0,
               "write_bytes is a multiple of 4096");
  Stream stream(file, std::min(options.write_bytes, plan.file_bytes), plan.header.size());
  STEMMA_RETURN_IF_ERROR(stream.Append(plan.header));
  std::string tile;
  for (const PackPiece& piece : plan.pieces) {
    STEMMA_CHECK(piece.file_offset >= stream.written(), "pieces stand in file order");
    STEMMA_RETURN_IF_ERROR(stream.Zeros(piece.file_offset - stream.written()));
    const uint64_t element = SizeOf(layout.spans()[piece.span].span.dtype);
    STEMMA_RETURN_IF_ERROR(WritePiece(piece, element, source, &stream, &tile));
  }
  const uint64_t end = plan.header.size() + plan.chunked_bytes;
  STEMMA_RETURN_IF_ERROR(stream.Zeros(end - stream.written()));
  const std::string table = stream.TakeTable();
  STEMMA_CHECK(table.size() == plan.chunks * kXxh128Bytes, "one digest for each chunk");
  STEMMA_RETURN_IF_ERROR(stream.Append(table));
  STEMMA_RETURN_IF_ERROR(stream.Zeros(plan.file_bytes - stream.written()));
  STEMMA_RETURN_IF_ERROR(stream.Finish());
  Sha256Stream id;
  id.Update(plan.header);
  id.Update(table);
  return id.Finish();
}

}  // namespace stemma::lineage
