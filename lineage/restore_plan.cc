#include "lineage/restore_plan.h"

#include <algorithm>
#include <tuple>

namespace stemma::lineage::internal {
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
Result<uint32_t> TakeFrom(const Span& span, uint32_t world, int mine, int ranks) {
  if (world == static_cast<uint32_t>(ranks)) return static_cast<uint32_t>(mine);
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
                                         "anew: the state has those of " +
                                         std::to_string(world) + " ranks, this job " +
                                         std::to_string(ranks));
}

// What this rank wants of a piece that the state has of `span`: all of it, or what it holds.
void AddWanted(const Span& span, const RestorePart& piece, std::vector<RestorePart>* parts) {
  if (span.role != Role::kSharded) return parts->push_back(piece);
  for (const Elements& held : span.held) {
    RestorePart part = piece;
    part.first = std::max(piece.first, static_cast<uint64_t>(held.first));
    const uint64_t end =
        std::min(piece.first + piece.count, static_cast<uint64_t>(held.first + held.count));
    if (part.first >= end) continue;
    part.count = end - part.first;
    parts->push_back(part);
  }
}

}  // namespace

Result<RestorePlan> PlanRestore(const OpenState& state, const Record& record,
                                const std::vector<Span>& spans, int rank, int ranks) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<size_t> index, Match(state.layout, spans));
  std::vector<uint32_t> from(index.size(), 0);
  for (size_t i = 0; i < index.size(); ++i) {
    const Span& span = state.layout.spans()[i].span;
    if (span.role != Role::kPerRank) continue;
    STEMMA_ASSIGN_OR_RETURN(from[i], TakeFrom(span, RanksHeld(record), rank, ranks));
  }
  RestorePlan plan;
  for (size_t pack = 0; pack < state.packs.size(); ++pack) {
    for (const PackPiece& piece : state.packs[pack]->pieces()) {
      if (piece.rank != from[piece.span]) continue;
      const size_t wanted = index[piece.span];
      AddWanted(spans[wanted],
                {wanted, pack, piece.span, piece.rank, piece.first, piece.count,
                 SizeOf(state.layout.spans()[piece.span].span.dtype), false, true},
                &plan.parts);
    }
  }
  for (RestorePart& part : plan.parts) {
    const Role here = spans[part.wanted].role;
    part.late = spans[part.wanted].late;
    part.shared = here != Role::kPerRank && here != Role::kSharded;
  }
  std::stable_sort(
      plan.parts.begin(), plan.parts.end(), [](const RestorePart& a, const RestorePart& b) {
        return std::tuple(a.late, !a.shared, a.wanted) < std::tuple(b.late, !b.shared, b.wanted);
      });
  return plan;
}

Status ReadPart(const Store& store, const Record& record, PackReader& pack, const RestorePart& part,
                Sink& sink, std::string* buffer) {
  const uint64_t step = std::max<uint64_t>(1, kReadBytes / part.element_bytes);
  for (uint64_t done = 0; done < part.count; done += step) {
    const uint64_t count = std::min(step, part.count - done), first = part.first + done;
    buffer->resize(count * part.element_bytes);
    const auto read = [&] { return pack.Read(part.span, part.rank, first, count, buffer->data()); };
    Status got = read();
    if (got.code() == Code::kNotFound) {
      STEMMA_RETURN_IF_ERROR(store.EnsurePacks(record, IfPruned::kRefuse));
      got = read();
    }
    STEMMA_RETURN_IF_ERROR(std::move(got));
    STEMMA_RETURN_IF_ERROR(sink.Write(part.wanted, first * part.element_bytes, *buffer));
  }
  return {};
}

}  // namespace stemma::lineage::internal
