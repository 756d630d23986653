#include "lineage/shards.h"

#include "core/bytes.h"
#include "lineage/coverage.h"

namespace stemma::lineage {
namespace {

// The pieces of one rank's sharded spans, as CheckCoverage wants them.
Status AddPieces(std::string_view encoded, const Layout& layout, std::vector<PackPiece>* pieces) {
  Decoder in(encoded);
  while (in.ok() && in.remaining() > 0) {
    PackPiece piece;
    piece.span = in.U32();
    piece.first = in.U64();
    piece.count = in.U64();
    const bool known = piece.span < layout.spans().size() &&
                       layout.spans()[piece.span].span.role == Role::kSharded;
    if (in.ok() && known) {
      pieces->push_back(piece);
      continue;
    }
    return {Code::kInternal, "a rank's list of what it holds cannot be read"};
  }
  return {};
}

}  // namespace

Status CheckHeld(const std::vector<Span>& spans) {
  for (const Span& span : spans) {
    const auto refuse = [&](const std::string& why) {
      return Status(Code::kInvalidArgument, "span '" + span.name + "' " + why);
    };
    if (span.role != Role::kSharded && !span.held.empty()) {
      return refuse("says which of its elements are held, but is not sharded");
    }
    int64_t at = 0;
    for (const Elements& held : span.held) {
      if (held.first < at || held.count < 0 || held.count > span.count() - held.first) {
        return refuse("of " + std::to_string(span.count()) + " elements cannot hold " +
                      std::to_string(held.count) + " from " + std::to_string(held.first) + " on" +
                      (at > 0 ? " after those before " + std::to_string(at) : ""));
      }
      at = held.first + held.count;
    }
  }
  return {};
}

std::vector<SpanRange> HeldBy(const std::vector<Span>& spans) {
  std::vector<SpanRange> ranges;
  for (uint32_t i = 0; i < spans.size(); ++i) {
    const uint64_t size = SizeOf(spans[i].dtype);
    for (const Elements& held : spans[i].held) {
      if (held.count == 0) continue;
      ranges.push_back(
          {i, static_cast<uint64_t>(held.first) * size, static_cast<uint64_t>(held.count) * size});
    }
  }
  return ranges;
}

std::string EncodeHeld(const std::vector<Span>& spans) {
  Encoder out;
  for (uint32_t i = 0; i < spans.size(); ++i) {
    for (const Elements& held : spans[i].held) {
      out.U32(i);
      out.U64(static_cast<uint64_t>(held.first));
      out.U64(static_cast<uint64_t>(held.count));
    }
  }
  return out.Take();
}

Status CheckAllHeld(const Layout& layout, const std::vector<std::string>& of_ranks) {
  const auto world = static_cast<uint32_t>(of_ranks.size());
  std::vector<PackPiece> pieces;
  for (uint32_t i = 0; i < layout.spans().size(); ++i) {  // all others are whole by construction
    const Span& span = layout.spans()[i].span;
    if (span.role == Role::kSharded) continue;
    PackPiece whole;
    whole.span = i;
    whole.count = static_cast<uint64_t>(span.count());
    const uint32_t copies = span.role == Role::kPerRank ? world : 1;
    for (whole.rank = 0; whole.rank < copies; ++whole.rank) pieces.push_back(whole);
  }
  for (const std::string& encoded : of_ranks) {
    STEMMA_RETURN_IF_ERROR(AddPieces(encoded, layout, &pieces));
  }
  const Status covered = CheckCoverage(layout, world, std::move(pieces));
  if (covered.ok()) return {};
  return {
      Code::kInvalidArgument,
      "what the ranks say they hold of the sharded spans is not the whole: " + covered.message()};
}

}  // namespace stemma::lineage
