#include <algorithm>
#include <tuple>
#include <utility>

#include "core/digest.h"
#include "lineage/chunk_cache.h"
#include "lineage/pack.h"
#include "lineage/pack_contents.h"
#include "lineage/planes.h"

namespace stemma::lineage {
namespace {

using internal::ChunkCache;
using internal::HeldPiece;
using internal::PackContents;

Status Corrupt(const std::string& what) { return {Code::kCorruption, what}; }

// What the readers of one pack have in common: constant, but for the cache.
struct SharedPack {
  Storage& storage;
  const std::string path;
  const Layout& layout;
  const std::shared_ptr<ChunkCache> cache;
  const uint64_t number;  // in the cache
  PackContents contents;
  std::vector<PackPiece> pieces;
};

std::shared_ptr<const SharedPack> Share(Storage& storage, const std::string& path,
                                        const Layout& layout, std::shared_ptr<ChunkCache> cache,
                                        PackContents contents) {
  const uint64_t number = cache->NewPack();
  auto shared = std::make_shared<SharedPack>(
      SharedPack{storage, path, layout, std::move(cache), number, std::move(contents), {}});
  for (const auto& [key, held] : shared->contents.held) {
    PackPiece piece;
    std::tie(piece.span, piece.rank, piece.first, piece.count) = key;
    piece.file_offset = shared->contents.data_begin + held.high;
    piece.file_bytes = piece.count * SizeOf(layout.spans()[piece.span].span.dtype);
    shared->pieces.push_back(piece);
    std::vector<uint32_t>& ranks = shared->contents.identity.ranks;
    const bool own = layout.spans()[piece.span].span.role == Role::kPerRank;
    if (own && std::find(ranks.begin(), ranks.end(), piece.rank) == ranks.end()) {
      ranks.insert(std::upper_bound(ranks.begin(), ranks.end(), piece.rank), piece.rank);
    }
  }
  return shared;
}

class Reader final : public PackReader {
 public:
  Reader(std::shared_ptr<const SharedPack> shared, bool direct)
      : shared_(std::move(shared)),
        direct_(direct),
        layout_(shared_->layout),
        contents_(shared_->contents),
        path_(shared_->path) {}

  std::unique_ptr<PackReader> Another() const override {
    return std::make_unique<Reader>(shared_, true);
  }
  const PackIdentity& identity() const override { return contents_.identity; }
  const std::vector<PackPiece>& pieces() const override { return shared_->pieces; }

  Status Read(uint32_t span, uint32_t rank, uint64_t first, uint64_t count, char* out) override {
    if (count == 0) return {};
    STEMMA_ASSIGN_OR_RETURN(const Place place, Find(span, rank, first, count));
    const Span& about = layout_.spans()[span].span;
    const uint64_t element = SizeOf(about.dtype);
    Status done = place.held.has_low
                      ? ReadPlanes(place.held, place.skip, count, out)
                      : Copy(place.held.high + place.skip * element, count * element, out);
    return std::move(done).Within("'" + about.name + "'");
  }

  Status ReadPlane(Plane plane, uint32_t span, uint64_t first, uint64_t count, char* out) override {
    return UsePlane(plane, span, first, count, [&](uint64_t before, std::string_view piece) {
      std::copy(piece.begin(), piece.end(), out + before);
    });
  }

  Status UsePlane(Plane plane, uint32_t span, uint64_t first, uint64_t count,
                  const PlaneUser& use) override {
    if (count == 0) return {};
    STEMMA_ASSIGN_OR_RETURN(const Place place, Find(span, 0, first, count));
    const std::string name = "'" + layout_.spans()[span].span.name + "'";
    if (plane == Plane::kWhole || !place.held.has_low) {
      return {Code::kInvalidArgument, name + " is not stored in planes: read it whole"};
    }
    const uint64_t begin = plane == Plane::kHigh ? place.held.high : place.held.low;
    return UseAll(begin + 2 * place.skip, 2 * count, use).Within(name);
  }

  PackChunks chunks() const override {
    return {contents_.data_begin, contents_.chunked_bytes, contents_.table};
  }

  std::string TensorsIn(uint64_t begin, uint64_t end) const override {
    std::string names;
    int found = 0;
    for (const auto& [key, held] : contents_.held) {
      const Span& span = layout_.spans()[std::get<0>(key)].span;
      const uint64_t bytes = std::get<3>(key) * SizeOf(span.dtype) / (held.has_low ? 2 : 1);
      const auto meets = [&](uint64_t at) {
        at += contents_.data_begin;
        return bytes > 0 && at < end && begin < at + bytes;
      };
      if (!meets(held.high) && !(held.has_low && meets(held.low))) continue;
      if (++found <= 3) names += (names.empty() ? "'" : ", '") + span.name + "'";
    }
    if (found > 3) names += " and " + std::to_string(found - 3) + " more";
    return names.empty() ? "padding" : names;
  }

  void Forget() override { file_ = nullptr; }

 private:
  struct Place {
    HeldPiece held;
    uint64_t skip = 0;  // elements of the piece before the first one
  };
  Result<Place> Find(uint32_t span, uint32_t rank, uint64_t first, uint64_t count) const {
    const auto at = contents_.held.upper_bound({span, rank, first, ~uint64_t{0}});
    if (at == contents_.held.begin()) return NotHeld(span, first, count);
    const auto& [key, held] = *std::prev(at);
    const auto& [held_span, held_rank, held_first, held_count] = key;
    if (held_span != span || held_rank != rank || first - held_first > held_count ||
        count > held_count - (first - held_first)) {
      return NotHeld(span, first, count);
    }
    return Place{held, first - held_first};
  }

  Status NotHeld(uint32_t span, uint64_t first, uint64_t count) const {
    const std::string name =
        span < layout_.spans().size() ? layout_.spans()[span].span.name : std::to_string(span);
    return Status(Code::kNotFound, "pack " + path_ + " does not hold elements [" +
                                       std::to_string(first) + ", " +
                                       std::to_string(first + count) + ") of '" + name + "'");
  }

  // Where one plane's chunk ends the other's goes on: merged from one border to the next.
  Status ReadPlanes(const HeldPiece& held, uint64_t skip, uint64_t count, char* out) {
    for (uint64_t done = 0; done < count;) {
      const uint64_t high = held.high + 2 * (skip + done), low = held.low + 2 * (skip + done);
      const uint64_t bytes = std::min({2 * (count - done), UpToBorder(high), UpToBorder(low)});
      Status merged;
      STEMMA_RETURN_IF_ERROR(Use(high, bytes, [&](std::string_view upper) {
        merged = Use(low, bytes,
                     [&](std::string_view lower) { MergePlanes(upper, lower, out + 4 * done); });
      }));
      STEMMA_RETURN_IF_ERROR(merged);
      done += bytes / 2;
    }
    return {};
  }

  // `at` counts from the begin of the data, here and below.
  Status UseAll(uint64_t at, uint64_t bytes, const PlaneUser& use) {
    for (uint64_t done = 0; done < bytes;) {
      const uint64_t now = std::min(bytes - done, UpToBorder(at + done));
      STEMMA_RETURN_IF_ERROR(
          Use(at + done, now, [&](std::string_view piece) { use(done, piece); }));
      done += now;
    }
    return {};
  }

  Status Copy(uint64_t at, uint64_t bytes, char* out) {
    return UseAll(at, bytes, [&](uint64_t before, std::string_view piece) {
      std::copy(piece.begin(), piece.end(), out + before);
    });
  }

  static uint64_t UpToBorder(uint64_t at) { return kChunkBytes - at % kChunkBytes; }

  // `bytes` verified bytes, which lie in one chunk.
  template <typename User>
  Status Use(uint64_t at, uint64_t bytes, const User& user) {
    const uint64_t index = at / kChunkBytes;
    return shared_->cache->Use(
        shared_->number, index, [&](char* chunk) { return LoadChunk(index, chunk); },
        [&](std::string_view chunk) { user(chunk.substr(at % kChunkBytes, bytes)); });
  }

  Status OpenFile() {
    if (file_ != nullptr) return {};
    STEMMA_ASSIGN_OR_RETURN(file_, shared_->storage.OpenToRead(path_));
    if (direct_) file_->GoDirect();
    return {};
  }

  Result<uint64_t> LoadChunk(uint64_t index, char* chunk) {
    const uint64_t at = index * kChunkBytes;
    const uint64_t bytes = std::min(kChunkBytes, contents_.chunked_bytes - at);
    const uint64_t from = contents_.data_begin + at;
    STEMMA_RETURN_IF_ERROR(OpenFile());
    STEMMA_RETURN_IF_ERROR(file_->Read(from, bytes, chunk));
    const std::string_view table = contents_.table;
    if (Xxh128({chunk, bytes}) == table.substr(index * kXxh128Bytes, kXxh128Bytes)) return bytes;
    return Corrupt("pack " + path_ + ": bytes [" + std::to_string(from) + ", " +
                   std::to_string(from + bytes) + ") do not have their digest");
  }

  const std::shared_ptr<const SharedPack> shared_;
  const bool direct_;
  const Layout& layout_;
  const PackContents& contents_;
  const std::string& path_;
  std::unique_ptr<ReadableFile> file_;  // open from the first chunk on
};

}  // namespace

Result<std::unique_ptr<PackReader>> PackReader::Open(Storage& storage, const std::string& path,
                                                     const ObjectId& id, const Layout& layout,
                                                     std::shared_ptr<ChunkCache> cache) {
  auto contents = internal::ReadPackContents(storage, path, id, layout);
  if (!contents.ok()) return Status(contents.status()).Within("pack " + path);
  if (cache == nullptr) cache = std::make_shared<ChunkCache>(kChunksKept);
  return std::unique_ptr<PackReader>(std::make_unique<Reader>(
      Share(storage, path, layout, std::move(cache), *std::move(contents)), false));
}

}  // namespace stemma::lineage
