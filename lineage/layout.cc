#include "lineage/layout.h"

#include <algorithm>
#include <set>

#include "core/bytes.h"
#include "core/check.h"
#include "core/digest.h"
#include "core/text.h"

namespace stemma::lineage {
namespace {

constexpr std::string_view kMagic = "STMLAY1\n";
constexpr uint16_t kVersion = 1;

uint64_t AlignUp(uint64_t value, uint64_t align) { return (value + align - 1) / align * align; }

bool IsSpanName(std::string_view name) {
  if (name.empty() || name.size() > kSpanNameMax) return false;
  if (name.substr(0, 9) == "__stemma." || name == "__metadata__") return false;
  for (const char c : name) {
    if (c < 0x21 || c > 0x7e) return false;
    if (c == '[' || c == ']' || c == '"' || c == '\\') return false;
  }
  return true;
}

bool IsRole(uint8_t role) { return role >= 1 && role <= 4; }
bool IsRule(uint8_t rule) { return rule >= 1 && rule <= 3; }

// What is wrong with a span, or "".
std::string Fault(const Span& span) {
  if (!IsSpanName(span.name)) {
    return "a name has 1 to " + std::to_string(kSpanNameMax) +
           " printable ASCII characters without blanks, [ ] \" and \\, and does not begin with "
           "__stemma.";
  }
  if (span.section.empty() || !IsSpanName(span.section)) return "its section is no name";
  if (SizeOf(span.dtype) == 0) return "unknown dtype";
  if (!IsRole(static_cast<uint8_t>(span.role))) return "unknown role";
  if (!IsRule(static_cast<uint8_t>(span.on_reshape))) return "unknown rule for reshape";
  if (span.shape.size() > kDimsMax) return "more than 16 dimensions";
  const int64_t bytes = span.bytes();
  if (bytes < 0 || static_cast<uint64_t>(bytes) > kSectionBytesMax) {
    return "its shape is negative or too large";
  }
  return "";
}

// Where the next span of a section lies; the one rule that writers and readers of layouts share.
uint64_t NextOffset(const LayoutSection& section, const Span& span) {
  return span.role == Role::kPerRank ? 0 : AlignUp(section.bytes, kSpanAlign);
}

bool IsIn(const Span& span, SpanPart part) {
  if (span.role == Role::kPerRank) return false;
  return part == SpanPart::kAll || (span.role == Role::kFrozen) == (part == SpanPart::kFrozen);
}

// Where the spans of a part lie when they alone fill their sections. Of kAll: the layout's offsets.
struct Places {
  std::vector<uint64_t> spans, sections;  // begins; ends of the last spans
};

Places PlacesOf(const Layout& layout, SpanPart part) {
  Places places;
  places.spans.resize(layout.spans().size());
  places.sections.resize(layout.sections().size());
  for (size_t i = 0; i < layout.spans().size(); ++i) {
    const LayoutSpan& placed = layout.spans()[i];
    if (!IsIn(placed.span, part)) continue;
    uint64_t& end = places.sections[placed.section];
    places.spans[i] = AlignUp(end, kSpanAlign);
    end = places.spans[i] + static_cast<uint64_t>(placed.span.bytes());
  }
  return places;
}

Status Corrupt(const std::string& what) { return Status(Code::kCorruption, "layout: " + what); }

Result<Span> DecodeSpan(Decoder& in, const std::vector<LayoutSection>& sections, uint32_t* section,
                        uint64_t* offset) {
  Span span;
  span.name = in.String();
  *section = in.U32();
  span.dtype = static_cast<DType>(in.U8());
  span.role = static_cast<Role>(in.U8());
  span.on_reshape = static_cast<OnReshape>(in.U8());
  const uint8_t dims = in.U8();
  if (!in.ok() || dims > kDimsMax || *section >= sections.size()) {
    return Corrupt("a span is cut short or has impossible numbers");
  }
  for (int i = 0; i < dims; ++i) span.shape.push_back(in.I64());
  *offset = in.U64();
  if (!in.ok()) return Corrupt("ends inside a span");
  span.section = sections[*section].name;
  return span;
}

Result<std::vector<LayoutSection>> DecodeSections(Decoder& in) {
  std::vector<LayoutSection> sections;
  std::set<std::string> names;
  const uint32_t count = in.U32();
  if (count > in.remaining() / 12) return Corrupt("more sections than bytes");
  for (uint32_t i = 0; i < count; ++i) {
    LayoutSection section;
    section.name = in.String();
    section.bytes = in.U64();
    if (!in.ok() || !IsSpanName(section.name) || section.bytes > kSectionBytesMax) {
      return Corrupt("section " + std::to_string(i) + " makes no sense");
    }
    if (!names.insert(section.name).second) return Corrupt("two sections " + section.name);
    sections.push_back(std::move(section));
  }
  return sections;
}

}  // namespace

Result<Layout> Layout::Of(const std::vector<Span>& spans) {
  Layout layout;
  std::unordered_map<std::string, uint32_t> sections;
  std::set<std::string_view> names;
  if (spans.size() > kSpansMax) return Status(Code::kInvalidArgument, "too many spans");
  for (const Span& span : spans) {
    std::string fault = Fault(span);
    if (fault.empty() && !names.insert(span.name).second) fault = "the name comes twice";
    if (!fault.empty()) {
      return Status(Code::kInvalidArgument, "span '" + Printable(span.name) + "': " + fault);
    }
    const auto [at, fresh] =
        sections.emplace(span.section, static_cast<uint32_t>(layout.sections_.size()));
    if (fresh) layout.sections_.push_back({span.section, 0});
    LayoutSection& section = layout.sections_[at->second];
    LayoutSpan placed{span, at->second, NextOffset(section, span)};
    placed.span.eager = false;
    placed.span.held.clear();
    if (span.role != Role::kPerRank) {
      section.bytes = placed.offset + static_cast<uint64_t>(span.bytes());
    }
    if (section.bytes > kSectionBytesMax) {
      return Status(Code::kInvalidArgument, "section '" + section.name + "' is too large");
    }
    layout.spans_.push_back(std::move(placed));
  }
  layout.Seal();
  return layout;
}

void Layout::Seal() {
  Encoder out;
  out.Raw(kMagic);
  out.U16(kVersion);
  out.U32(static_cast<uint32_t>(sections_.size()));
  for (const LayoutSection& section : sections_) {
    out.String(section.name);
    out.U64(section.bytes);
  }
  out.U32(static_cast<uint32_t>(spans_.size()));
  for (uint32_t i = 0; i < spans_.size(); ++i) {
    const LayoutSpan& placed = spans_[i];
    out.String(placed.span.name);
    out.U32(placed.section);
    out.U8(static_cast<uint8_t>(placed.span.dtype));
    out.U8(static_cast<uint8_t>(placed.span.role));
    out.U8(static_cast<uint8_t>(placed.span.on_reshape));
    out.U8(static_cast<uint8_t>(placed.span.shape.size()));
    for (const int64_t dim : placed.span.shape) out.I64(dim);
    out.U64(placed.offset);
    index_.emplace(placed.span.name, i);
  }
  bytes_ = out.Take();
  id_ = Sha256(bytes_);
}

Result<Layout> Layout::Decode(std::string_view bytes) {
  Decoder in(bytes);
  if (in.Raw(kMagic.size()) != kMagic) return Corrupt("does not begin with its magic");
  const uint16_t version = in.U16();
  if (in.ok() && version != kVersion) {
    return Status(Code::kIncompatible, "layout: version " + std::to_string(version) +
                                           "; this build reads version 1: use a newer one");
  }
  Layout layout;
  STEMMA_ASSIGN_OR_RETURN(layout.sections_, DecodeSections(in));
  std::vector<LayoutSection> filled = layout.sections_;
  for (LayoutSection& section : filled) section.bytes = 0;
  std::set<std::string> names;
  std::vector<bool> used(filled.size());
  uint32_t sections_seen = 0;
  const uint32_t count = in.U32();
  if (count > kSpansMax || count > in.remaining() / 20) return Corrupt("more spans than bytes");
  for (uint32_t i = 0; i < count; ++i) {
    LayoutSpan placed;
    STEMMA_ASSIGN_OR_RETURN(placed.span,
                            DecodeSpan(in, layout.sections_, &placed.section, &placed.offset));
    const std::string fault = Fault(placed.span);
    if (!fault.empty()) return Corrupt("span " + std::to_string(i) + ": " + fault);
    if (!names.insert(placed.span.name).second) return Corrupt("two spans " + placed.span.name);
    if (!used[placed.section] && placed.section != sections_seen++) {
      return Corrupt("sections are not in the order of their first spans");
    }
    used[placed.section] = true;
    LayoutSection& section = filled[placed.section];
    if (placed.offset != NextOffset(section, placed.span)) {
      return Corrupt(placed.span.name + " does not lie where it must");
    }
    if (placed.span.role != Role::kPerRank) {
      section.bytes = placed.offset + static_cast<uint64_t>(placed.span.bytes());
    }
    if (section.bytes > layout.sections_[placed.section].bytes) {
      return Corrupt(placed.span.name + " lies past the end of its section");
    }
    layout.spans_.push_back(std::move(placed));
  }
  if (!in.ok() || in.remaining() != 0) return Corrupt("has bytes after its end, or too few");
  for (size_t i = 0; i < filled.size(); ++i) {
    if (!used[i] || filled[i].bytes != layout.sections_[i].bytes) {
      return Corrupt("section " + filled[i].name + " is not filled by its spans");
    }
  }
  layout.Seal();
  if (layout.bytes_ != bytes) return Corrupt("is not in canonical form");
  return layout;
}

std::optional<uint32_t> Layout::Find(std::string_view span) const {
  const auto at = index_.find(std::string(span));
  if (at == index_.end()) return std::nullopt;
  return at->second;
}

uint64_t Layout::LogicalBytes(uint32_t ranks) const {
  uint64_t total = 0;
  for (const LayoutSpan& placed : spans_) {
    const auto bytes = static_cast<uint64_t>(placed.span.bytes());
    total += placed.span.role == Role::kPerRank ? bytes * ranks : bytes;
  }
  return total;
}

ByteRange WriterRange(uint64_t bytes, uint32_t writer, uint32_t writers) {
  STEMMA_CHECK(writer < writers, "writer of writers");
  const auto cut = [&](uint64_t i) -> uint64_t {
    if (i == writers) return bytes;
    const auto exact = static_cast<unsigned __int128>(bytes) * i / writers;
    return static_cast<uint64_t>(exact) / kWriterAlign * kWriterAlign;
  };
  return {cut(writer), cut(uint64_t{writer} + 1)};
}

uint64_t FlatBytes(const Layout& layout, SpanPart part) {
  uint64_t total = 0;
  for (const uint64_t bytes : PlacesOf(layout, part).sections) total += bytes;
  return total;
}

std::vector<SpanRange> OwnedBy(const Layout& layout, uint32_t writer, uint32_t writers,
                               SpanPart part) {
  std::vector<std::vector<SpanRange>> by_section(layout.sections().size());
  const Places places = PlacesOf(layout, part);
  for (uint32_t i = 0; i < layout.spans().size(); ++i) {
    const LayoutSpan& placed = layout.spans()[i];
    if (!IsIn(placed.span, part) || placed.span.role == Role::kSharded) continue;
    const ByteRange mine = WriterRange(places.sections[placed.section], writer, writers);
    const uint64_t begin = places.spans[i];
    const uint64_t end = begin + static_cast<uint64_t>(placed.span.bytes());
    const uint64_t from = std::max(mine.begin, begin), to = std::min(mine.end, end);
    if (from < to) by_section[placed.section].push_back({i, from - begin, to - from});
  }
  std::vector<SpanRange> owned;
  for (const auto& ranges : by_section) owned.insert(owned.end(), ranges.begin(), ranges.end());
  return owned;
}

}  // namespace stemma::lineage
