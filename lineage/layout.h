// The layout object: what a state consists of and where each span lies. Named by the SHA-256 of its
// canonical bytes, written once, shared by all states of the same structure. It holds no number of
// ranks, so any number may read what any number wrote.
//
// A *section* ("params", "optim/m", ...) is one flat range of bytes. Its spans lie in it in the
// order given, each at a multiple of 64; the gaps belong to nobody and are not written. PerRank
// spans take no room in a section: every rank has one of its own. Sharded spans lie in it like
// replicated ones, but are not cut by writers: each rank stores what it holds (shards.h).
//
//   STEMMA_ASSIGN_OR_RETURN(Layout layout, Layout::Of(spans));
//   for (const SpanRange& mine : OwnedBy(layout, rank, writers)) {
//     copy(mine.span, mine.offset, mine.bytes);
//   }
//
// Writer i of W owns [i*B/W, (i+1)*B/W) of every section of B bytes, rounded to 4 KiB: each pack
// holds 1/W of the parameters and 1/W of each optimizer slot, and one tensor with 90 % of the model
// is cut like any other. Offsets are multiples of 64 and cuts of 4096, so no element is ever cut.
//
// Immutable values; any thread. Failure: kInvalidArgument for spans that make no sense, naming the
// span; kCorruption for bytes that are no layout; kIncompatible for a newer version.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <optional>
#include <vector>

#include "core/status.h"
#include "lineage/record.h"
#include "lineage/span.h"

namespace stemma::lineage {

constexpr uint64_t kSpanAlign = 64;
constexpr uint64_t kWriterAlign = 4096;
constexpr size_t kSpanNameMax = 512;
constexpr size_t kSpansMax = 1 << 20;
constexpr size_t kDimsMax = 16;
constexpr uint64_t kSectionBytesMax = uint64_t{1} << 50;

struct LayoutSection {
  std::string name;
  uint64_t bytes = 0;  // end of its last span; 0 when all its spans are PerRank or empty
};

struct LayoutSpan {
  Span span;             // `eager` and `held` are not stored: they say when and who, not what
  uint32_t section = 0;  // index into sections()
  uint64_t offset = 0;   // in its section; 0 for PerRank
};

class Layout {
 public:
  // Order is kept: sections by first appearance, spans as given. Refused: equal names, names that
  // begin "__stemma.", names with other than printable ASCII or with one of the characters []"\ .
  static Result<Layout> Of(const std::vector<Span>& spans);
  // Checks by code of its own everything that Of() promises.
  static Result<Layout> Decode(std::string_view bytes);

  const std::string& bytes() const { return bytes_; }  // the canonical encoding: what is stored
  const ObjectId& id() const { return id_; }           // its SHA-256
  const std::vector<LayoutSection>& sections() const { return sections_; }
  const std::vector<LayoutSpan>& spans() const { return spans_; }
  std::optional<uint32_t> Find(std::string_view span) const;  // index into spans()
  // Of the flat sections plus `ranks` copies of the PerRank spans, gaps not counted.
  uint64_t LogicalBytes(uint32_t ranks) const;

 private:
  Layout() = default;
  void Seal();  // bytes_, id_, index_

  std::vector<LayoutSection> sections_;
  std::vector<LayoutSpan> spans_;
  std::unordered_map<std::string, uint32_t> index_;
  std::string bytes_;
  ObjectId id_;
};

struct ByteRange {
  uint64_t begin = 0, end = 0;
};

// Frozen spans go to packs of their own, so that later states can name those again. kAll: no such
// packs, frozen spans lie with the others.
enum class SpanPart : uint8_t { kAll, kChanging, kFrozen };  // not on disk

// What the flat spans of a part take when they alone fill their sections; PerRank ones do not
// count.
uint64_t FlatBytes(const Layout& layout, SpanPart part);

// The part of a section of `bytes` bytes that is `writer`'s. The parts of all writers are disjoint,
// in order and cover the section. REQUIRES: writer < writers.
ByteRange WriterRange(uint64_t bytes, uint32_t writer, uint32_t writers);

struct SpanRange {
  uint32_t span = 0;    // index into Layout::spans()
  uint64_t offset = 0;  // bytes, within the span
  uint64_t bytes = 0;   // > 0
};

// What `writer` of `writers` stores of the flat spans of a part: section by section, spans in
// order. PerRank and Sharded spans are not in it. A part is cut as if its sections held nothing
// else, so that its writers share it evenly however much the other part takes.
std::vector<SpanRange> OwnedBy(const Layout& layout, uint32_t writer, uint32_t writers,
                               SpanPart part = SpanPart::kAll);

}  // namespace stemma::lineage
