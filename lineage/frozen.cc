#include "lineage/frozen.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/digest.h"
#include "lineage/audit.h"
#include "lineage/chunk_cache.h"
#include "lineage/open_state.h"
#include "lineage/planes.h"

namespace stemma::lineage {
namespace {

// The part of a piece that lies in bytes [begin, end) of the file, widened to whole elements.
struct Overlap {
  uint64_t from = 0, to = 0;      // in the file; from >= to: none
  uint64_t first = 0, count = 0;  // elements of the piece
};

Overlap Cut(const PackPiece& piece, uint64_t begin, uint64_t end) {
  Overlap cut;
  if (piece.count == 0) return cut;
  cut.from = std::max(begin, piece.file_offset);
  cut.to = std::min(end, piece.file_offset + piece.file_bytes);
  if (cut.from >= cut.to) return cut;
  const uint64_t stored = piece.file_bytes / piece.count;
  cut.first = (cut.from - piece.file_offset) / stored;
  cut.count = (cut.to - piece.file_offset + stored - 1) / stored - cut.first;
  return cut;
}

// Elements as the piece's plane stores them.
std::string Stored(const PackPiece& piece, std::string elements) {
  if (piece.plane == Plane::kWhole) return elements;
  std::string half(elements.size() / 2, '\0');
  if (piece.plane == Plane::kHigh) {
    SplitHigh(elements, half.data());
  } else {
    SplitLow(elements, half.data());
  }
  return half;
}

}  // namespace

struct FrozenSet::Opened {
  PackRef ref;
  std::unique_ptr<PackReader> reader;
  PackPlan plan;  // both planes of each piece, and where they lie
};

FrozenSet::FrozenSet(const Store& store, const Record& record, const Layout& layout)
    : store_(store), record_(record), layout_(layout) {
  packs_.assign(record.packs.end() - record.frozen_packs, record.packs.end());
}

FrozenSet::~FrozenSet() = default;

Status FrozenSet::Open() {
  std::vector<std::unique_ptr<Opened>> opened;
  const auto cache = std::make_shared<internal::ChunkCache>(kChunksKept);
  for (const PackRef& ref : packs_) {
    auto pack = std::make_unique<Opened>();
    pack->ref = ref;
    STEMMA_ASSIGN_OR_RETURN(pack->reader, OpenPack(store_, record_, ref, layout_, cache));
    STEMMA_ASSIGN_OR_RETURN(pack->plan,
                            PlanPack(layout_, pack->reader->identity(), {}, SpanPart::kFrozen));
    const PackChunks chunks = pack->reader->chunks();
    if (pack->plan.header.size() != chunks.begin || pack->plan.chunked_bytes != chunks.bytes) {
      return {Code::kIncompatible, "pack " + store_.PackPath(ref.pack) +
                                       " of frozen tensors was cut by another version: start the "
                                       "training with that one"};
    }
    pack->reader->Forget();
    opened.push_back(std::move(pack));
  }
  opened_ = std::move(opened);
  return {};
}

Status FrozenSet::Audit(Source& source, int rank, int ranks, uint64_t capture) {
  if (opened_.empty()) STEMMA_RETURN_IF_ERROR(Open());
  const uint64_t rounds = looked_at_all_ ? kAuditEvery : 1;
  const uint64_t every = rounds * static_cast<uint64_t>(ranks);
  const uint64_t first =
      static_cast<uint64_t>(rank) + static_cast<uint64_t>(ranks) * (capture % rounds);
  uint64_t number = 0;
  for (const std::unique_ptr<Opened>& pack : opened_) {
    for (uint64_t chunk = 0; chunk < pack->plan.chunks; ++chunk, ++number) {
      if (number % every != first) continue;
      STEMMA_RETURN_IF_ERROR(AuditChunk(source, *pack, chunk));
    }
  }
  looked_at_all_ = true;
  return {};
}

Status FrozenSet::AuditChunk(Source& source, const Opened& pack, uint64_t chunk) {
  const PackChunks chunks = pack.reader->chunks();
  const uint64_t at = chunk * kChunkBytes;
  std::string now(std::min(kChunkBytes, chunks.bytes - at), '\0');
  STEMMA_RETURN_IF_ERROR(Rebuild(source, pack, chunks.begin + at, &now));
  const std::string_view digest = chunks.digests.substr(chunk * kXxh128Bytes, kXxh128Bytes);
  return Xxh128(now) == digest ? Status() : Blame(pack, chunks.begin + at, now);
}

// What lies between pieces is zero.
Status FrozenSet::Rebuild(Source& source, const Opened& pack, uint64_t begin,
                          std::string* chunk) const {
  const std::vector<PackPiece>& pieces = pack.plan.pieces;  // in file order
  auto at = std::partition_point(pieces.begin(), pieces.end(), [&](const PackPiece& piece) {
    return piece.file_offset + piece.file_bytes <= begin;
  });
  for (; at != pieces.end() && at->file_offset < begin + chunk->size(); ++at) {
    const PackPiece& piece = *at;
    const Overlap cut = Cut(piece, begin, begin + chunk->size());
    if (cut.from >= cut.to) continue;
    const Span& span = layout_.spans()[piece.span].span;
    const uint64_t element = SizeOf(span.dtype);
    std::string elements(cut.count * element, '\0');
    STEMMA_RETURN_IF_ERROR(
        source
            .Read(piece.span, (piece.first + cut.first) * element, elements.size(), elements.data())
            .Within("audit of frozen '" + span.name + "'"));
    const std::string stored = Stored(piece, std::move(elements));
    const uint64_t skip =
        cut.from - piece.file_offset - cut.first * (piece.file_bytes / piece.count);
    chunk->replace(cut.from - begin, cut.to - cut.from, stored, skip, cut.to - cut.from);
  }
  return {};
}

// `now` is not what the pack was made of: which tensor, by the bytes on the disk.
Status FrozenSet::Blame(const Opened& pack, uint64_t begin, const std::string& now) const {
  const std::string path = store_.PackPath(pack.ref.pack);
  const std::string changed =
      " since pack " + path +
      " was written, which later states name instead of writing it again: what is trained must "
      "require a gradient when the training starts; resume from a state before the change";
  const Result<std::string> then = store_.storage().ReadAt(path, begin, now.size());
  const auto differs = then.ok()
                           ? std::mismatch(now.begin(), now.end(), then->begin(), then->end()).first
                           : now.end();
  const uint64_t at = begin + static_cast<uint64_t>(differs - now.begin());
  for (const PackPiece& piece : pack.plan.pieces) {
    const Overlap cut = Cut(piece, at, at + 1);
    if (differs == now.end() || cut.from >= cut.to) continue;
    return {Code::kCorruption, "frozen '" + layout_.spans()[piece.span].span.name +
                                   "' was changed, from element " +
                                   std::to_string(piece.first + cut.first) + " on," + changed};
  }
  return {Code::kCorruption, "of the frozen " + pack.reader->TensorsIn(begin, begin + now.size()) +
                                 " one was changed" + changed +
                                 " (that pack is damaged or missing too: run fsck --read-data)"};
}

}  // namespace stemma::lineage
