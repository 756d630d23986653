#include <algorithm>
#include <tuple>

#include "core/bytes.h"
#include "core/check.h"
#include "core/digest.h"
#include "lineage/names.h"
#include "lineage/pack.h"
#include "lineage/pack_format.h"
#include "lineage/safetensors.h"

namespace stemma::lineage {
namespace {

uint64_t PadTo(uint64_t bytes) { return (kPackAlign - bytes % kPackAlign) % kPackAlign; }

// Collects entries and pieces while it walks through the file's data.
class Planner {
 public:
  Planner(const Layout& layout, PackPlan* plan) : layout_(layout), plan_(plan) {}

  void Add(const SpanRange& range, Plane plane, uint32_t rank = 0) {
    const Span& span = layout_.spans()[range.span].span;
    const uint64_t element = SizeOf(span.dtype);
    const uint64_t stored = plane == Plane::kWhole ? element : element / 2;
    PackPiece piece;
    piece.span = range.span;
    piece.plane = plane;
    piece.first = range.offset / element;
    piece.count = range.bytes / element;
    piece.rank = rank;
    piece.file_offset = at_;
    piece.file_bytes = piece.count * stored;
    SafetensorsEntry entry;
    entry.name = EntryName(span, piece);
    entry.dtype = EntryType(span, plane);
    entry.begin = at_;
    entry.end = at_ + piece.file_bytes;
    const auto total = static_cast<uint64_t>(span.count());
    if (piece.count == total) {
      entry.shape.assign(span.shape.begin(), span.shape.end());
    } else {
      entry.shape = {piece.count};
    }
    at_ = entry.end;
    Write(entry);
    plan_->pieces.push_back(piece);
  }

  // Ends a part: fills up to the next multiple of 4096.
  void Pad() {
    const uint64_t bytes = PadTo(at_);
    if (bytes > 0) Bytes(kPadPrefix + std::to_string(pads_++), {bytes});
  }

  void Bytes(const std::string& name, std::vector<uint64_t> shape) {
    SafetensorsEntry entry;
    entry.name = name;
    entry.shape = std::move(shape);
    uint64_t bytes = 1;
    for (const uint64_t dim : entry.shape) bytes *= dim;
    entry.begin = at_;
    entry.end = at_ += bytes;
    Write(entry);
  }

  uint64_t at() const { return at_; }
  const std::string& json() const { return json_; }

 private:
  void Write(const SafetensorsEntry& entry) { json_ += "," + SafetensorsJson(entry); }

  const Layout& layout_;
  PackPlan* const plan_;
  std::string json_;
  uint64_t at_ = 0;
  int pads_ = 0;
};

// Wider elements first, so that each lies at a multiple of its own size.
void WidestFirst(const Layout& layout, std::vector<SpanRange>* ranges) {
  std::stable_sort(ranges->begin(), ranges->end(), [&](const auto& a, const auto& b) {
    return SizeOf(layout.spans()[a.span].span.dtype) > SizeOf(layout.spans()[b.span].span.dtype);
  });
}

// What writer owns of the flat spans; writer 0 has the empty ones as well, but not in a pack of
// frozen spans.
std::vector<SpanRange> Flat(const Layout& layout, const PackIdentity& identity,
                            const std::vector<SpanRange>& sharded, SpanPart part) {
  std::vector<SpanRange> ranges = OwnedBy(layout, identity.writer, identity.writers, part);
  ranges.insert(ranges.end(), sharded.begin(), sharded.end());
  const bool empty_ones = identity.writer == 0 && part != SpanPart::kFrozen;
  for (uint32_t i = 0; empty_ones && i < layout.spans().size(); ++i) {
    const Span& span = layout.spans()[i].span;
    if (span.bytes() == 0 && span.role != Role::kPerRank) ranges.push_back({i, 0, 0});
  }
  std::stable_sort(ranges.begin(), ranges.end(), [&](const auto& a, const auto& b) {
    const LayoutSpan &x = layout.spans()[a.span], &y = layout.spans()[b.span];
    return std::tie(x.section, a.span, a.offset) < std::tie(y.section, b.span, b.offset);
  });
  return ranges;
}

void PlanFlat(const Layout& layout, const std::vector<SpanRange>& ranges, Planner* planner) {
  std::vector<SpanRange> params, others, whole;
  for (const SpanRange& range : ranges) {
    const LayoutSpan& placed = layout.spans()[range.span];
    if (!IsInPlanes(placed.span)) {
      whole.push_back(range);
    } else {
      (placed.span.section == "params" ? params : others).push_back(range);
    }
  }
  for (const auto* part : {&params, &others}) {
    for (const Plane plane : {Plane::kHigh, Plane::kLow}) {
      for (const SpanRange& range : *part) planner->Add(range, plane);
      planner->Pad();
    }
  }
  WidestFirst(layout, &whole);
  for (const SpanRange& range : whole) planner->Add(range, Plane::kWhole);
  planner->Pad();
}

void PlanPerRank(const Layout& layout, const PackIdentity& identity, Planner* planner) {
  std::vector<SpanRange> ranges;
  for (uint32_t i = 0; i < layout.spans().size(); ++i) {
    const Span& span = layout.spans()[i].span;
    if (span.role == Role::kPerRank) ranges.push_back({i, 0, static_cast<uint64_t>(span.bytes())});
  }
  WidestFirst(layout, &ranges);
  for (const SpanRange& range : ranges) {
    for (const uint32_t rank : identity.ranks) planner->Add(range, Plane::kWhole, rank);
  }
  planner->Pad();
}

std::string MetadataJson(const Layout& layout, const PackIdentity& identity) {
  const auto pair = [](std::string_view key, const std::string& value) {
    return "\"" + std::string(key) + "\":\"" + value + "\"";
  };
  return "\"__metadata__\":{" + pair(kKeyPack, "1") + "," + pair(kKeyLeaf, "xxh3-128") + "," +
         pair(kKeyLayout, Hex(layout.id())) + "," + pair(kKeyRun, identity.run) + "," +
         pair(kKeyInc, std::to_string(identity.incarnation)) + "," +
         pair(kKeyCapture, std::to_string(identity.capture)) + "," +
         pair(kKeyWriter,
              std::to_string(identity.writer) + "/" + std::to_string(identity.writers)) +
         "}";
}

std::string Framed(const std::string& json) {
  const uint64_t padding = PadTo(8 + json.size());
  Encoder out;
  out.U64(json.size() + padding);
  return out.bytes() + json + std::string(padding, ' ');
}

Status CheckIdentity(const PackIdentity& identity, SpanPart part) {
  const auto refuse = [](const std::string& what) {
    return Status(Code::kInvalidArgument, "pack: " + what);
  };
  if (!IsUlid(identity.run)) return refuse("run is no ulid");
  if (identity.writer >= identity.writers) return refuse("writer is not below writers");
  if (part == SpanPart::kFrozen && !identity.ranks.empty()) {
    return refuse("frozen spans are not those of single ranks");
  }
  for (size_t i = 1; i < identity.ranks.size(); ++i) {
    if (identity.ranks[i] <= identity.ranks[i - 1]) return refuse("ranks do not ascend");
  }
  return {};
}

}  // namespace

bool IsInPlanes(const Span& span) {
  return span.dtype == DType::kF32 && span.role != Role::kPerRank;
}

DType EntryType(const Span& span, Plane plane) {
  if (plane == Plane::kHigh) return DType::kBF16;
  return plane == Plane::kLow ? DType::kI16 : span.dtype;
}

std::string EntryName(const Span& span, const PackPiece& piece) {
  std::string name = span.name;
  if (piece.count != static_cast<uint64_t>(span.count())) {
    const uint64_t end = piece.first + piece.count;
    name += "[" + std::to_string(piece.first) + ":" + std::to_string(end) + "]";
  }
  if (piece.plane == Plane::kLow) return kLowPrefix + name;
  if (span.role != Role::kPerRank) return name;
  return kRankPrefix + std::to_string(piece.rank) + "/" + name;
}

Result<PackPlan> PlanPack(const Layout& layout, const PackIdentity& identity,
                          const std::vector<SpanRange>& sharded, SpanPart part) {
  STEMMA_RETURN_IF_ERROR(CheckIdentity(identity, part));
  PackPlan plan;
  Planner planner(layout, &plan);
  PlanFlat(layout, Flat(layout, identity, sharded, part), &planner);
  PlanPerRank(layout, identity, &planner);
  plan.chunked_bytes = planner.at();
  plan.chunks = (plan.chunked_bytes + kChunkBytes - 1) / kChunkBytes;
  planner.Bytes(kChunksName, {plan.chunks, kXxh128Bytes});
  planner.Pad();
  plan.header = Framed("{" + MetadataJson(layout, identity) + planner.json() + "}");
  if (plan.header.size() > kSafetensorsHeaderMax) {
    return Status(Code::kInvalidArgument, "pack: its header passes 100,000,000 bytes: fewer spans");
  }
  plan.file_bytes = plan.header.size() + planner.at();
  for (PackPiece& piece : plan.pieces) piece.file_offset += plan.header.size();
  return plan;
}

}  // namespace stemma::lineage
