#include "lineage/pack_contents.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/names.h"
#include "lineage/pack_format.h"
#include "lineage/safetensors.h"

namespace stemma::lineage::internal {
namespace {

constexpr uint64_t kGuessedBytes = 64 << 10;

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
                  PackContents* contents) {
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin >= contents->chunked_bytes && entry.end > contents->chunked_bytes) continue;
    const bool known = StartsWith(entry.name, kLowPrefix) || StartsWith(entry.name, kRankPrefix);
    if (!known && StartsWith(entry.name, kReservedPrefix)) continue;
    STEMMA_ASSIGN_OR_RETURN(const PackPiece piece, PieceOf(entry, layout));
    HeldPiece& held = contents->held[{piece.span, piece.rank, piece.first, piece.count}];
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
    if (planar && (held.high | held.low) % 2 != 0) {  // a number across the border of two chunks
      return Corrupt("'" + span.name + "' has a plane at an odd place");
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
                 const std::vector<SafetensorsEntry>& entries, PackContents* contents) {
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

}  // namespace

Result<PackContents> ReadPackContents(Storage& storage, const std::string& path, const ObjectId& id,
                                      const Layout& layout) {
  STEMMA_ASSIGN_OR_RETURN(const uint64_t file_bytes, storage.SizeOf(path));
  if (file_bytes < kPackAlign || file_bytes % kPackAlign != 0) {
    return Corrupt("its length " + std::to_string(file_bytes) + " is no multiple of 4096");
  }
  // Most headers are that short: one wait for the disk instead of two.
  STEMMA_ASSIGN_OR_RETURN(std::string header,
                          storage.ReadAt(path, 0, std::min(file_bytes, kGuessedBytes)));
  const uint64_t json_bytes = Decoder(std::string_view(header).substr(0, 8)).U64();
  if (json_bytes > kSafetensorsHeaderMax || (8 + json_bytes) % kPackAlign != 0 ||
      8 + json_bytes > file_bytes) {
    return Corrupt("its header has an impossible length");
  }
  if (8 + json_bytes > header.size()) {
    STEMMA_ASSIGN_OR_RETURN(header, storage.ReadAt(path, 0, 8 + json_bytes));
  }
  header.resize(8 + json_bytes);
  STEMMA_ASSIGN_OR_RETURN(
      const SafetensorsHeader parsed,
      ParseSafetensors(std::string_view(header).substr(8), file_bytes - header.size()));
  PackContents contents;
  contents.data_begin = header.size();
  STEMMA_RETURN_IF_ERROR(
      ReadTable(storage, path, id, header, file_bytes, parsed.entries, &contents));
  STEMMA_RETURN_IF_ERROR(ReadIdentity(parsed.metadata, layout, &contents.identity));
  STEMMA_RETURN_IF_ERROR(ReadPieces(parsed.entries, layout, &contents));
  return contents;
}

}  // namespace stemma::lineage::internal
