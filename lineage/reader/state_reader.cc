#include "lineage/reader/state_reader.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "lineage/chunk_cache.h"
#include "lineage/coverage.h"
#include "lineage/open_state.h"
#include "lineage/pack.h"

namespace stemma::lineage {
namespace {

// A piece of the span that is read, and the pack that holds it.
struct Found {
  PackPiece piece;
  size_t pack = 0;
};

class ReaderImpl final : public StateReader {
 public:
  ReaderImpl(const Store& store, const Record& record, Layout layout)
      : store_(store), record_(record), layout_(std::move(layout)), packs_(record.packs.size()) {}

  const Layout& layout() const override { return layout_; }

  Result<std::string> Read(const std::string& span, int rank) override {
    return Named(ReadPlane(span, rank, Plane::kWhole));
  }
  Result<std::string> ReadHigh(const std::string& span) override {
    return Named(ReadPlane(span, 0, Plane::kHigh));
  }

 private:
  Result<std::string> Named(Result<std::string> bytes) const {
    if (bytes.ok()) return bytes;
    return Status(bytes.status()).Within(StateInWords(record_));
  }

  Result<std::string> ReadPlane(const std::string& name, int rank, Plane plane) {
    const std::optional<uint32_t> span = layout_.Find(name);
    if (!span) return Status(Code::kNotFound, "no span is called '" + name + "'");
    const Span& what = layout_.spans()[*span].span;
    const uint32_t from = what.role == Role::kPerRank ? static_cast<uint32_t>(rank) : 0;
    if (from >= RanksHeld(record_)) {
      return Status(Code::kNotFound, "the state has " + std::to_string(RanksHeld(record_)) +
                                         " ranks, so no rank " + std::to_string(from));
    }
    STEMMA_ASSIGN_OR_RETURN(const std::vector<Found> found, Find(*span, from));
    const uint64_t element = plane == Plane::kWhole ? SizeOf(what.dtype) : 2;
    std::string out(static_cast<size_t>(what.count()) * element, '\0');
    for (const Found& at : found) {
      char* const to = out.data() + at.piece.first * element;
      STEMMA_RETURN_IF_ERROR(ReadPiece(at, plane, to));
    }
    return out;
  }

  // Its pieces, which together are the whole span. Writers divide a section by a rule, so the packs
  // that it names are opened first; where that does not give the whole (spans of single ranks,
  // shards), the others are, one after the other.
  Result<std::vector<Found>> Find(uint32_t span, uint32_t rank) {
    for (size_t i = 0; i < packs_.size(); ++i) {
      if (packs_[i] == nullptr && MayHold(i, span)) {
        STEMMA_RETURN_IF_ERROR(OpenAt(i));
      }
    }
    std::vector<Found> found;
    Status whole = FindIn(span, rank, &found);
    for (size_t i = 0; i < packs_.size() && !whole.ok(); ++i) {
      if (packs_[i] != nullptr) continue;
      STEMMA_RETURN_IF_ERROR(OpenAt(i));
      whole = FindIn(span, rank, &found);
    }
    STEMMA_RETURN_IF_ERROR(whole);
    return found;
  }

  bool MayHold(size_t i, uint32_t span) const {
    const PackRef& pack = record_.packs[i];
    const LayoutSpan& placed = layout_.spans()[span];
    const bool flat = placed.span.role != Role::kPerRank && placed.span.role != Role::kSharded;
    if (!flat || pack.writer >= pack.writers) return false;
    if (placed.span.bytes() == 0) return pack.writer == 0;
    if (record_.frozen_packs > 0) {  // cut by another rule: all packs of its part may
      const bool frozen_pack = i >= packs_.size() - record_.frozen_packs;
      return frozen_pack == (placed.span.role == Role::kFrozen);
    }
    const ByteRange owns =
        WriterRange(layout_.sections()[placed.section].bytes, pack.writer, pack.writers);
    const uint64_t end = placed.offset + static_cast<uint64_t>(placed.span.bytes());
    return owns.begin < end && placed.offset < owns.end;
  }

  Status OpenAt(size_t i) {
    STEMMA_ASSIGN_OR_RETURN(packs_[i],
                            OpenPack(store_, record_, record_.packs[i], layout_, cache_));
    return {};
  }

  // What the packs that are open hold of it; OK when that is all.
  Status FindIn(uint32_t span, uint32_t rank, std::vector<Found>* found) const {
    found->clear();
    std::vector<PackPiece> pieces;
    const auto before = [](const PackPiece& a, const std::pair<uint32_t, uint32_t>& b) {
      return std::pair(a.span, a.rank) < b;
    };
    for (size_t i = 0; i < packs_.size(); ++i) {
      if (packs_[i] == nullptr) continue;
      const std::vector<PackPiece>& all = packs_[i]->pieces();
      auto at = std::lower_bound(all.begin(), all.end(), std::pair(span, rank), before);
      for (; at != all.end() && at->span == span && at->rank == rank; ++at) {
        found->push_back({*at, i});
        pieces.push_back(*at);
      }
    }
    return CheckSpanCoverage(layout_, span, rank, std::move(pieces));
  }

  Status ReadPiece(const Found& at, Plane plane, char* out) {
    PackReader* const pack = packs_[at.pack].get();
    if (last_ != nullptr && last_ != pack) last_->Forget();
    last_ = pack;
    const PackPiece& piece = at.piece;
    const auto read = [&] {
      return plane == Plane::kWhole
                 ? pack->Read(piece.span, piece.rank, piece.first, piece.count, out)
                 : pack->ReadPlane(plane, piece.span, piece.first, piece.count, out);
    };
    Status got = read();
    if (got.code() != Code::kNotFound) return got;
    STEMMA_RETURN_IF_ERROR(store_.EnsurePacks(record_, IfPruned::kRefuse));
    return read();
  }

  const Store& store_;
  const Record record_;
  const Layout layout_;
  const std::shared_ptr<internal::ChunkCache> cache_ =
      std::make_shared<internal::ChunkCache>(kChunksKept);
  std::vector<std::unique_ptr<PackReader>> packs_;  // as in the record; null: not opened
  PackReader* last_ = nullptr;                      // the one whose file is open
};

}  // namespace

Result<std::unique_ptr<StateReader>> StateReader::Open(const Store& store, const Record& record) {
  auto layout = LayoutOf(store, record);
  Status ready = layout.status();
  if (ready.ok()) ready = store.EnsurePacks(record, IfPruned::kRefuse);
  if (!ready.ok()) return std::move(ready).Within(StateInWords(record));
  return std::unique_ptr<StateReader>(
      std::make_unique<ReaderImpl>(store, record, *std::move(layout)));
}

Result<std::string> ReadSpan(const Store& store, const Record& record, const std::string& span,
                             int rank) {
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<StateReader> state,
                          StateReader::Open(store, record));
  return state->Read(span, rank);
}

}  // namespace stemma::lineage
