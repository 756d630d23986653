#include "lineage/restore.h"

#include <algorithm>
#include <memory>

#include "core/bytes.h"
#include "lineage/coverage.h"
#include "lineage/graph.h"
#include "lineage/layout.h"
#include "lineage/pack.h"
#include "lineage/shards.h"

namespace stemma::lineage {
namespace {

constexpr uint64_t kReadBytes = 1 << 20;  // handed to the sink at a time
constexpr size_t kListedMax = 8;
constexpr uint32_t kNobody = ~uint32_t{0};

std::string Describe(const Span& span) {
  std::string text = span.name + " " + std::string(NameOf(span.dtype)) + "[";
  for (size_t i = 0; i < span.shape.size(); ++i) {
    text += (i ? "," : "") + std::to_string(span.shape[i]);
  }
  return text + "]" + (span.role == Role::kPerRank ? " per rank" : "");
}

bool SameSpan(const Span& a, const Span& b) {
  return a.dtype == b.dtype && a.shape == b.shape &&
         (a.role == Role::kPerRank) == (b.role == Role::kPerRank);
}

std::string Listed(const std::vector<std::string>& items) {
  std::string text;
  for (size_t i = 0; i < items.size() && i < kListedMax; ++i) text += (i ? ", " : "") + items[i];
  if (items.size() > kListedMax)
    text += ", and " + std::to_string(items.size() - kListedMax) + " more";
  return text.empty() ? "nothing more" : text;
}

// A state opened: its layout and a reader per pack, all of it there.
struct OpenState {
  const Store& store;
  const Record& record;
  Layout layout;
  std::vector<std::unique_ptr<PackReader>> packs;
};

Result<Layout> LayoutOf(const Store& store, const Record& record) {
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, store.GetLayout(record.layout));
  return Layout::Decode(bytes);
}

// In place, since readers keep a reference to the layout.
Status OpenPacks(OpenState* state) {
  const Store& store = state->store;
  STEMMA_RETURN_IF_ERROR(store.EnsurePacks(state->record, IfPruned::kRefuse));
  std::vector<PackPiece> pieces;
  for (const PackRef& pack : state->record.packs) {
    const auto open = [&] {
      return PackReader::Open(store.storage(), store.PackPath(pack.pack), pack.pack, state->layout);
    };
    auto opened = open();
    if (opened.status().code() == Code::kNotFound) {  // it went to the trash just now
      STEMMA_RETURN_IF_ERROR(store.EnsurePacks(state->record, IfPruned::kRefuse));
      opened = open();
    }
    STEMMA_ASSIGN_OR_RETURN(std::unique_ptr<PackReader> reader, std::move(opened));
    pieces.insert(pieces.end(), reader->pieces().begin(), reader->pieces().end());
    state->packs.push_back(std::move(reader));
  }
  return CheckCoverage(state->layout, state->record.world, std::move(pieces));
}

// Which of `wanted` a span of the state is; the two lists must match as sets.
Result<std::vector<size_t>> Match(const Layout& layout, const std::vector<Span>& wanted) {
  std::vector<std::string> only_state, only_wanted;
  std::vector<size_t> index(layout.spans().size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    const std::optional<uint32_t> found = layout.Find(wanted[i].name);
    if (found && SameSpan(layout.spans()[*found].span, wanted[i])) {
      index[*found] = i;
    } else {
      only_wanted.push_back(Describe(wanted[i]));
    }
  }
  for (size_t i = 0; i < index.size(); ++i) {
    if (index[i] == wanted.size()) only_state.push_back(Describe(layout.spans()[i].span));
  }
  if (only_state.empty() && only_wanted.empty()) return index;
  return Status(Code::kIncompatible, "the state is of another model or optimizer: the state has " +
                                         Listed(only_state) + "; the program has " +
                                         Listed(only_wanted));
}

// Whose copy of a PerRank span this rank takes; kNobody: keep what the program made.
Result<uint32_t> TakeFrom(const Span& span, uint32_t world, const Cohort& cohort) {
  const uint32_t rank = static_cast<uint32_t>(cohort.rank());
  if (world == static_cast<uint32_t>(cohort.size())) return rank;
  switch (span.on_reshape) {
    case OnReshape::kTakeRank0:
      return 0u;
    case OnReshape::kReseed:
      return kNobody;
    case OnReshape::kRefuse:
      break;
  }
  return Status(Code::kIncompatible, "span '" + span.name +
                                         "' differs per rank and may not be cut "
                                         "anew: the state has " +
                                         std::to_string(world) + " ranks, this job " +
                                         std::to_string(cohort.size()));
}

// A collector may have moved the pack to its trash since it was opened, until it sees who refers to
// it: then it is brought back, and read once more.
Status ReadPiece(const OpenState& state, PackReader& pack, const PackPiece& piece, size_t index,
                 Sink& sink, std::string* buffer) {
  const uint64_t element = SizeOf(state.layout.spans()[piece.span].span.dtype);
  const uint64_t step = std::max<uint64_t>(1, kReadBytes / element);
  for (uint64_t done = 0; done < piece.count; done += step) {
    const uint64_t count = std::min(step, piece.count - done);
    buffer->resize(count * element);
    const auto read = [&] {
      return pack.Read(piece.span, piece.rank, piece.first + done, count, buffer->data());
    };
    Status got = read();
    if (got.code() == Code::kNotFound) {
      STEMMA_RETURN_IF_ERROR(state.store.EnsurePacks(state.record, IfPruned::kRefuse));
      got = read();
    }
    STEMMA_RETURN_IF_ERROR(std::move(got));
    STEMMA_RETURN_IF_ERROR(sink.Write(index, (piece.first + done) * element, *buffer));
  }
  return {};
}

// What this rank wants of a piece that the state has of `span`: all of it, or what it holds.
std::vector<PackPiece> Wanted(const Span& span, const PackPiece& piece) {
  if (span.role != Role::kSharded) return {piece};
  std::vector<PackPiece> parts;
  for (const Elements& held : span.held) {
    PackPiece part = piece;
    part.first = std::max(piece.first, static_cast<uint64_t>(held.first));
    const uint64_t end =
        std::min(piece.first + piece.count, static_cast<uint64_t>(held.first + held.count));
    if (part.first >= end) continue;
    part.count = end - part.first;
    parts.push_back(part);
  }
  return parts;
}

Status RestoreMine(const Store& store, const Record& record, const std::vector<Span>& spans,
                   Sink& sink, const Cohort& cohort) {
  STEMMA_RETURN_IF_ERROR(CheckHeld(spans));
  STEMMA_ASSIGN_OR_RETURN(Layout layout, LayoutOf(store, record));
  OpenState state{store, record, std::move(layout), {}};
  STEMMA_ASSIGN_OR_RETURN(const std::vector<size_t> index, Match(state.layout, spans));
  std::vector<uint32_t> from(index.size(), 0);
  for (size_t i = 0; i < index.size(); ++i) {
    const Span& span = state.layout.spans()[i].span;
    if (span.role != Role::kPerRank) continue;
    STEMMA_ASSIGN_OR_RETURN(from[i], TakeFrom(span, record.world, cohort));
  }
  STEMMA_RETURN_IF_ERROR(OpenPacks(&state));
  std::string buffer;
  for (const std::unique_ptr<PackReader>& pack : state.packs) {
    for (const PackPiece& piece : pack->pieces()) {
      if (piece.rank != from[piece.span]) continue;
      for (const PackPiece& part : Wanted(spans[index[piece.span]], piece)) {
        STEMMA_RETURN_IF_ERROR(ReadPiece(state, *pack, part, index[piece.span], sink, &buffer));
      }
    }
  }
  return {};
}

// Collects one span.
class StringSink final : public Sink {
 public:
  explicit StringSink(std::string* out) : out_(out) {}
  Status Write(size_t, uint64_t offset, std::string_view bytes) override {
    out_->replace(offset, bytes.size(), bytes);
    return {};
  }

 private:
  std::string* out_;
};

std::string Named(const Record& record) {
  return "state " + NameOfState(record) + " (" + Hex(record.id).substr(0, 16) + ")";
}

Result<std::string> ReadSpanBytes(const Store& store, const Record& record, const std::string& name,
                                  uint32_t rank) {
  STEMMA_ASSIGN_OR_RETURN(Layout layout, LayoutOf(store, record));
  OpenState state{store, record, std::move(layout), {}};
  const std::optional<uint32_t> span = state.layout.Find(name);
  if (!span) return Status(Code::kNotFound, "no span is called '" + name + "'");
  const Span& what = state.layout.spans()[*span].span;
  const uint32_t from = what.role == Role::kPerRank ? rank : 0;
  if (from >= record.world) {
    return Status(Code::kNotFound, "the state has " + std::to_string(record.world) +
                                       " ranks, so no rank " + std::to_string(from));
  }
  STEMMA_RETURN_IF_ERROR(OpenPacks(&state));
  std::string out(static_cast<size_t>(what.bytes()), '\0'), buffer;
  StringSink sink(&out);
  for (const std::unique_ptr<PackReader>& pack : state.packs) {
    for (const PackPiece& piece : pack->pieces()) {
      if (piece.span != *span || piece.rank != from) continue;
      STEMMA_RETURN_IF_ERROR(ReadPiece(state, *pack, piece, 0, sink, &buffer));
    }
  }
  return out;
}

}  // namespace

Result<std::vector<Span>> SpansOf(const Store& store, const Record& record) {
  STEMMA_ASSIGN_OR_RETURN(const Layout layout, LayoutOf(store, record));
  std::vector<Span> spans;
  for (const LayoutSpan& span : layout.spans()) spans.push_back(span.span);
  return spans;
}

Status Restore(const Store& store, const Record& record, const std::vector<Span>& spans, Sink& sink,
               Cohort& cohort) {
  Status mine = RestoreMine(store, record, spans, sink, cohort);
  if (!mine.ok()) mine = std::move(mine).Within(Named(record));
  return Agree(cohort, mine);
}

Result<std::string> ReadSpan(const Store& store, const Record& record, const std::string& span,
                             int rank) {
  Result<std::string> bytes = ReadSpanBytes(store, record, span, static_cast<uint32_t>(rank));
  if (bytes.ok()) return bytes;
  return Status(bytes.status()).Within(Named(record));
}

}  // namespace stemma::lineage
