#include <algorithm>
#include <list>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/names.h"
#include "lineage/pack.h"
#include "lineage/pack_format.h"
#include "lineage/planes.h"
#include "lineage/safetensors.h"

namespace stemma::lineage {
namespace {

constexpr uint64_t kTileElements = 1 << 19;  // of a two-plane span, merged at once: 1 MiB a plane
constexpr uint64_t kNoChunk = ~uint64_t{0};
constexpr size_t kChunksKept = 4;  // two planes, each across a chunk's border

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// Decimal digits in their shortest spelling, at most `max`.
std::optional<uint64_t> Number(std::string_view text, uint64_t max) {
  if (text.empty() || text.size() > 20 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    if (__builtin_mul_overflow(value, uint64_t{10}, &value)) return std::nullopt;
    if (__builtin_add_overflow(value, static_cast<uint64_t>(c - '0'), &value)) return std::nullopt;
  }
  if (value > max) return std::nullopt;
  return value;
}

// "a<mark>b" -> a, b.
std::optional<std::pair<uint64_t, uint64_t>> Pair(std::string_view text, char mark) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const auto left = Number(text.substr(0, at), ~uint64_t{0});
  const auto right = Number(text.substr(at + 1), ~uint64_t{0});
  if (!left || !right) return std::nullopt;
  return std::make_pair(*left, *right);
}

// A piece with both its places; `low` counts only where the span has two planes.
struct Held {
  uint64_t high = 0, low = 0;  // in the data
  bool has_high = false, has_low = false;
};
using PieceKey = std::tuple<uint32_t, uint32_t, uint64_t, uint64_t>;  // span, rank, first, count

// The header, taken apart and checked. Everything about one pack but its data.
struct Contents {
  PackIdentity identity;
  uint64_t data_begin = 0;  // in the file
  uint64_t chunked_bytes = 0;
  std::string table;
  std::map<PieceKey, Held> held;
};

Status Corrupt(const std::string& what) { return Status(Code::kCorruption, what); }

Status ReadIdentity(const std::map<std::string, std::string>& metadata, const Layout& layout,
                    PackIdentity* identity) {
  const auto text = [&](const char* key) {
    const auto at = metadata.find(key);
    return at == metadata.end() ? std::string() : at->second;
  };
  if (text(kKeyPack).empty()) return Corrupt("it is a safetensors file, but no pack");
  if (text(kKeyPack) != "1" || text(kKeyLeaf) != "xxh3-128") {
    return Status(Code::kIncompatible, "pack version " + text(kKeyPack) + " with leaf " +
                                           text(kKeyLeaf) + ": use the version that wrote it");
  }
  if (text(kKeyLayout) != Hex(layout.id())) {
    return Status(Code::kIncompatible, "it belongs to layout " + text(kKeyLayout) +
                                           ", not to layout " + Hex(layout.id()));
  }
  const auto incarnation = Number(text(kKeyInc), 0xffffffff);
  const auto capture = Number(text(kKeyCapture), ~uint64_t{0});
  const auto writer = Pair(text(kKeyWriter), '/');
  if (!IsUlid(text(kKeyRun)) || !incarnation || !capture || !writer ||
      writer->first >= writer->second || writer->second > 0xffffffff) {
    return Corrupt("its metadata makes no sense");
  }
  identity->run = text(kKeyRun);
  identity->incarnation = static_cast<uint32_t>(*incarnation);
  identity->capture = *capture;
  identity->writer = static_cast<uint32_t>(writer->first);
  identity->writers = static_cast<uint32_t>(writer->second);
  return {};
}

// The piece that an entry's name, type and shape say it is.
Result<PackPiece> PieceOf(const SafetensorsEntry& entry, const Layout& layout) {
  PackPiece piece;
  std::string_view name = entry.name;
  if (StartsWith(name, kLowPrefix)) {
    piece.plane = Plane::kLow;
    name.remove_prefix(sizeof kLowPrefix - 1);
  } else if (StartsWith(name, kRankPrefix)) {
    name.remove_prefix(sizeof kRankPrefix - 1);
    const size_t slash = std::min(name.find('/'), name.size());
    const auto rank = Number(name.substr(0, slash), 0xffffffff);
    if (!rank || slash == name.size()) return Corrupt("no rank in '" + entry.name + "'");
    piece.rank = static_cast<uint32_t>(*rank);
    name.remove_prefix(slash + 1);
  }
  const std::string_view base = name.substr(0, name.find('['));
  const auto index = layout.Find(base);
  if (!index) return Corrupt("'" + entry.name + "' is not in the layout");
  piece.span = *index;
  const Span& span = layout.spans()[piece.span].span;
  piece.count = static_cast<uint64_t>(span.count());
  if (base.size() < name.size()) {
    const auto cut = Pair(name.substr(base.size() + 1, name.size() - base.size() - 2), ':');
    if (!cut || cut->first >= cut->second || cut->second > piece.count) {
      return Corrupt("impossible range in '" + entry.name + "'");
    }
    piece.first = cut->first;
    piece.count = cut->second - cut->first;
  }
  const bool planar = IsInPlanes(span);
  if (planar && piece.plane == Plane::kWhole) piece.plane = Plane::kHigh;
  std::vector<uint64_t> shape(span.shape.begin(), span.shape.end());
  if (base.size() < name.size()) shape = {piece.count};
  if ((!planar && piece.plane != Plane::kWhole) || EntryName(span, piece) != entry.name ||
      EntryType(span, piece.plane) != entry.dtype || shape != entry.shape) {
    return Corrupt("'" + entry.name + "' is not what the layout says of it");
  }
  return piece;
}

Status ReadPieces(const std::vector<SafetensorsEntry>& entries, const Layout& layout,
                  Contents* contents) {
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin >= contents->chunked_bytes && entry.end > contents->chunked_bytes) continue;
    const bool known = StartsWith(entry.name, kLowPrefix) || StartsWith(entry.name, kRankPrefix);
    if (!known && StartsWith(entry.name, kReservedPrefix)) continue;
    STEMMA_ASSIGN_OR_RETURN(const PackPiece piece, PieceOf(entry, layout));
    Held& held = contents->held[{piece.span, piece.rank, piece.first, piece.count}];
    const bool low = piece.plane == Plane::kLow;
    (low ? held.low : held.high) = entry.begin;
    (low ? held.has_low : held.has_high) = true;
  }
  PieceKey last{~0u, 0, 0, 0};
  for (const auto& [key, held] : contents->held) {
    const Span& span = layout.spans()[std::get<0>(key)].span;
    const bool planar = IsInPlanes(span);
    if (!held.has_high || held.has_low != planar) {
      return Corrupt("'" + span.name + "' lacks a plane");
    }
    const auto [span_before, rank_before, first, count] = last;
    const bool same = span_before == std::get<0>(key) && rank_before == std::get<1>(key);
    if (same && first + count > std::get<2>(key)) {
      return Corrupt("'" + span.name + "' has overlapping pieces");
    }
    last = key;
  }
  return {};
}

// Finds the chunk table, reads it and what follows, and holds both against the id.
Status ReadTable(Storage& storage, const std::string& path, const ObjectId& id,
                 std::string_view header, uint64_t file_bytes,
                 const std::vector<SafetensorsEntry>& entries, Contents* contents) {
  const auto table = std::find_if(entries.begin(), entries.end(),
                                  [](const auto& entry) { return entry.name == kChunksName; });
  if (table == entries.end()) return Corrupt("it has no chunk table");
  contents->chunked_bytes = table->begin;
  const uint64_t chunks = (table->begin + kChunkBytes - 1) / kChunkBytes;
  if (table->begin % kPackAlign != 0 || table->dtype != DType::kU8 ||
      table->shape != std::vector<uint64_t>{chunks, kXxh128Bytes}) {
    return Corrupt("its chunk table does not fit its data");
  }
  for (auto after = table + 1; after != entries.end(); ++after) {
    const bool pad = after->begin == after->end || StartsWith(after->name, kPadPrefix);
    if (!pad) return Corrupt("data after its chunk table");
  }
  const uint64_t begin = header.size() + table->begin;
  const size_t table_bytes = chunks * kXxh128Bytes;
  if (file_bytes - begin - table_bytes >= kPackAlign) return Corrupt("its end is not padding");
  STEMMA_ASSIGN_OR_RETURN(std::string tail, storage.ReadAt(path, begin, file_bytes - begin));
  Sha256Stream found;
  found.Update(header);
  found.Update(std::string_view(tail).substr(0, table_bytes));
  if (found.Finish() != id) return Corrupt("its header and chunk table do not have the id");
  const bool clean = std::all_of(tail.begin() + static_cast<ptrdiff_t>(table_bytes), tail.end(),
                                 [](char c) { return c == 0; });
  if (!clean) return Corrupt("its end is not padding");
  tail.resize(table_bytes);
  contents->table = std::move(tail);
  return {};
}

Result<Contents> ReadContents(Storage& storage, const std::string& path, const ObjectId& id,
                              const Layout& layout) {
  STEMMA_ASSIGN_OR_RETURN(const uint64_t file_bytes, storage.SizeOf(path));
  if (file_bytes < kPackAlign || file_bytes % kPackAlign != 0) {
    return Corrupt("its length " + std::to_string(file_bytes) + " is no multiple of 4096");
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string length, storage.ReadAt(path, 0, 8));
  const uint64_t json_bytes = Decoder(length).U64();
  if (json_bytes > kSafetensorsHeaderMax || (8 + json_bytes) % kPackAlign != 0 ||
      8 + json_bytes > file_bytes) {
    return Corrupt("its header has an impossible length");
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string header, storage.ReadAt(path, 0, 8 + json_bytes));
  STEMMA_ASSIGN_OR_RETURN(
      const SafetensorsHeader parsed,
      ParseSafetensors(std::string_view(header).substr(8), file_bytes - header.size()));
  Contents contents;
  contents.data_begin = header.size();
  STEMMA_RETURN_IF_ERROR(
      ReadTable(storage, path, id, header, file_bytes, parsed.entries, &contents));
  STEMMA_RETURN_IF_ERROR(ReadIdentity(parsed.metadata, layout, &contents.identity));
  STEMMA_RETURN_IF_ERROR(ReadPieces(parsed.entries, layout, &contents));
  return contents;
}

class Reader final : public PackReader {
 public:
  Reader(Storage& storage, std::string path, const Layout& layout, Contents contents)
      : storage_(storage), path_(std::move(path)), layout_(layout), contents_(std::move(contents)) {
    for (const auto& [key, held] : contents_.held) {
      PackPiece piece;
      std::tie(piece.span, piece.rank, piece.first, piece.count) = key;
      piece.file_offset = contents_.data_begin + held.high;
      piece.file_bytes = piece.count * SizeOf(layout_.spans()[piece.span].span.dtype);
      pieces_.push_back(piece);
      std::vector<uint32_t>& ranks = contents_.identity.ranks;
      const bool own = layout_.spans()[piece.span].span.role == Role::kPerRank;
      if (own && std::find(ranks.begin(), ranks.end(), piece.rank) == ranks.end()) {
        ranks.insert(std::upper_bound(ranks.begin(), ranks.end(), piece.rank), piece.rank);
      }
    }
  }

  const PackIdentity& identity() const override { return contents_.identity; }
  const std::vector<PackPiece>& pieces() const override { return pieces_; }

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
    if (count == 0) return {};
    STEMMA_ASSIGN_OR_RETURN(const Place place, Find(span, 0, first, count));
    const std::string name = "'" + layout_.spans()[span].span.name + "'";
    if (plane == Plane::kWhole || !place.held.has_low) {
      return {Code::kInvalidArgument, name + " is not stored in planes: read it whole"};
    }
    const uint64_t begin = plane == Plane::kHigh ? place.held.high : place.held.low;
    return Copy(begin + 2 * place.skip, 2 * count, out).Within(name);
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

  void Forget() override {
    file_ = nullptr;
    kept_.clear();
    high_ = {};
    low_ = {};
  }

 private:
  struct Place {
    Held held;
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

  Status ReadPlanes(const Held& held, uint64_t skip, uint64_t count, char* out) {
    for (uint64_t done = 0; done < count;) {
      const uint64_t now = std::min(count - done, kTileElements);
      high_.resize(2 * now);
      low_.resize(2 * now);
      STEMMA_RETURN_IF_ERROR(Copy(held.high + 2 * (skip + done), 2 * now, high_.data()));
      STEMMA_RETURN_IF_ERROR(Copy(held.low + 2 * (skip + done), 2 * now, low_.data()));
      MergePlanes(high_, low_, out + 4 * done);
      done += now;
    }
    return {};
  }

  // `at` counts from the begin of the data.
  Status Copy(uint64_t at, uint64_t bytes, char* out) {
    while (bytes > 0) {
      STEMMA_ASSIGN_OR_RETURN(const std::string_view chunk, Chunk(at / kChunkBytes));
      const std::string_view part = chunk.substr(at % kChunkBytes, bytes);
      std::copy(part.begin(), part.end(), out);
      at += part.size();
      out += part.size();
      bytes -= part.size();
    }
    return {};
  }

  // Verified bytes of a chunk; the view holds until the next call. Chunks that were kept give their
  // memory to the ones that follow.
  Result<std::string_view> Chunk(uint64_t index) {
    const auto at = std::find_if(kept_.begin(), kept_.end(),
                                 [&](const auto& kept) { return kept.first == index; });
    if (at != kept_.end()) {
      kept_.splice(kept_.begin(), kept_, at);
      return std::string_view(kept_.front().second);
    }
    if (kept_.size() < kChunksKept) kept_.emplace_back();
    kept_.splice(kept_.begin(), kept_, std::prev(kept_.end()));
    kept_.front().first = kNoChunk;
    STEMMA_RETURN_IF_ERROR(LoadChunk(index, &kept_.front().second));
    kept_.front().first = index;
    return std::string_view(kept_.front().second);
  }

  Status LoadChunk(uint64_t index, std::string* chunk) {
    const uint64_t at = index * kChunkBytes;
    const uint64_t bytes = std::min(kChunkBytes, contents_.chunked_bytes - at);
    const uint64_t from = contents_.data_begin + at;
    if (file_ == nullptr) {
      STEMMA_ASSIGN_OR_RETURN(file_, storage_.OpenToRead(path_));
    }
    chunk->resize(bytes);
    STEMMA_RETURN_IF_ERROR(file_->Read(from, bytes, chunk->data()));
    const std::string_view table = contents_.table;
    if (Xxh128(*chunk) == table.substr(index * kXxh128Bytes, kXxh128Bytes)) return {};
    return Corrupt("pack " + path_ + ": bytes [" + std::to_string(from) + ", " +
                   std::to_string(from + bytes) + ") do not have their digest");
  }

  Storage& storage_;
  const std::string path_;
  const Layout& layout_;
  Contents contents_;
  std::vector<PackPiece> pieces_;
  std::unique_ptr<ReadableFile> file_;                // open from the first chunk on
  std::list<std::pair<uint64_t, std::string>> kept_;  // newest first
  std::string high_, low_;
};

}  // namespace

Result<std::unique_ptr<PackReader>> PackReader::Open(Storage& storage, const std::string& path,
                                                     const ObjectId& id, const Layout& layout) {
  auto contents = ReadContents(storage, path, id, layout);
  if (!contents.ok()) return Status(contents.status()).Within("pack " + path);
  return std::unique_ptr<PackReader>(
      std::make_unique<Reader>(storage, path, layout, *std::move(contents)));
}

}  // namespace stemma::lineage
