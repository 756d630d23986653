#include "lineage/restore_plan.h"

#include <algorithm>
#include <tuple>

#include "lineage/pack_format.h"
#include "lineage/planes.h"

namespace stemma::lineage::internal {
namespace {

constexpr uint64_t kReadBytes = 1 << 20;  // handed to the sink at a time
constexpr size_t kListedMax = 8;
constexpr uint32_t kNobody = ~uint32_t{0};
constexpr uint64_t kTaskBytesMin = kChunkBytes;
constexpr uint64_t kTaskBytesMax = kTaskChunks * kChunkBytes;

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
    part.place += (part.first - piece.first) * piece.stored_bytes;
    parts->push_back(part);
  }
}

auto Group(const RestorePart& part) { return std::tuple(part.late, !part.eager, !part.shared); }

// `take` elements of a part from `first`, or a few more: up to where a chunk ends.
uint64_t UpToChunk(const RestorePart& part, uint64_t first, uint64_t take) {
  const uint64_t end = part.place + (first + take - part.first) * part.stored_bytes;
  const uint64_t more = (kChunkBytes - end % kChunkBytes) % kChunkBytes / part.stored_bytes;
  return std::min(take + more, part.first + part.count - first);
}

// The sizes of one group's tasks, in bytes.
class TaskSizes {
 public:
  TaskSizes(uint64_t bytes, uint64_t threads) : left_(bytes), threads_(threads) {}
  uint64_t Next() {
    if (round_ == 0) {
      size_ = std::clamp(left_ / (2 * threads_), kTaskBytesMin, kTaskBytesMax);
      round_ = threads_;
    }
    --round_;
    return size_;
  }
  void Take(uint64_t bytes) { left_ -= bytes; }

 private:
  uint64_t left_, size_ = 0;
  const uint64_t threads_;
  uint64_t round_ = 0;  // tasks of this size that are left
};

class Dealer {
 public:
  explicit Dealer(const Readers& readers) : readers_(readers) {}

  // Parts of one group.
  void Deal(const RestorePart* begin, const RestorePart* end) {
    uint64_t bytes = 0;
    for (const RestorePart* part = begin; part != end; ++part) {
      bytes += part->count * part->element_bytes;
    }
    const bool once = begin->shared && readers_.ranks > 1;
    TaskSizes sizes(bytes, readers_.threads * (once ? static_cast<uint64_t>(readers_.ranks) : 1));
    uint64_t room = 0;
    for (const RestorePart* part = begin; part != end; ++part) {
      uint64_t done = 0;
      do {  // once for a part without elements, too
        if (room == 0) {
          room = sizes.Next();
          Begin(once);
        }
        RestorePart piece = *part;
        piece.first += done;
        piece.place += done * piece.stored_bytes;
        piece.count =
            std::min(std::max<uint64_t>(1, room / part->element_bytes), part->count - done);
        if (piece.count < part->count - done) {
          piece.count = UpToChunk(*part, piece.first, piece.count);
        }
        done += piece.count;
        const uint64_t taken = piece.count * piece.element_bytes;
        sizes.Take(taken);
        room -= std::min(room, taken);
        Add(piece, once);
      } while (done < part->count);
    }
  }

  // The lower halves of what comes as upper ones, by the same tasks.
  void DealLowHalves() {
    const std::vector<RestoreTask> tasks = dealt_.tasks;
    for (const RestoreTask& task : tasks) {
      if (task.first == task.last || dealt_.parts[task.first].plane != Plane::kHigh) continue;
      dealt_.tasks.push_back({dealt_.parts.size(), dealt_.parts.size()});
      for (size_t i = task.first; i < task.last; ++i) {
        if (dealt_.parts[i].plane != Plane::kHigh) continue;
        RestorePart low = dealt_.parts[i];
        low.plane = Plane::kLow;
        dealt_.parts.push_back(low);
      }
      dealt_.tasks.back().last = dealt_.parts.size();
    }
  }

  RestoreTasks Take() { return std::move(dealt_); }

 private:
  void Begin(bool once) {
    if (once) reader_ = static_cast<int>(dealt_once_++ / readers_.threads) % readers_.ranks;
    mine_ = !once || reader_ == readers_.rank;
    if (mine_) dealt_.tasks.push_back({dealt_.parts.size(), dealt_.parts.size()});
  }

  void Add(const RestorePart& piece, bool once) {
    if (once) {
      dealt_.shared.push_back({piece.wanted, piece.first * piece.element_bytes,
                               piece.count * piece.element_bytes, reader_});
    }
    if (!mine_) return;
    dealt_.parts.push_back(piece);
    if (once) dealt_.parts.back().listed = dealt_.shared.size() - 1;
    dealt_.tasks.back().last = dealt_.parts.size();
  }

  const Readers readers_;
  int reader_ = 0;
  size_t dealt_once_ = 0;  // tasks of shared parts
  bool mine_ = true;       // the task that is being made
  RestoreTasks dealt_;
};

// What `read` gives, after another attempt where the pack had gone to a collector's trash.
template <typename Read>
Status ReadRetried(const Store& store, const Record& record, Read&& read) {
  Status got = read();
  if (got.code() != Code::kNotFound) return got;
  STEMMA_RETURN_IF_ERROR(store.EnsurePacks(record, IfPruned::kRefuse));
  return read();
}

}  // namespace

Result<RestorePlan> PlanRestore(const OpenState& state, const Record& record,
                                const std::vector<Span>& spans, int rank, int ranks,
                                RestoreMode mode) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<size_t> index, Match(*state.layout, spans));
  std::vector<uint32_t> from(index.size(), 0);
  for (size_t i = 0; i < index.size(); ++i) {
    const Span& span = state.layout->spans()[i].span;
    if (span.role != Role::kPerRank) continue;
    STEMMA_ASSIGN_OR_RETURN(from[i], TakeFrom(span, RanksHeld(record), rank, ranks));
  }
  RestorePlan plan;
  for (size_t pack = 0; pack < state.packs.size(); ++pack) {
    const uint64_t data_begin = state.packs[pack]->chunks().begin;
    for (const PackPiece& piece : state.packs[pack]->pieces()) {
      if (piece.rank != from[piece.span]) continue;
      const Span& stored = state.layout->spans()[piece.span].span;
      const Span& span = spans[index[piece.span]];
      const bool planar = IsInPlanes(stored);
      RestorePart part;
      part.wanted = index[piece.span];
      part.pack = pack;
      part.span = piece.span;
      part.rank = piece.rank;
      part.first = piece.first;
      part.count = piece.count;
      part.element_bytes = SizeOf(stored.dtype);
      part.place = piece.file_offset - data_begin;
      part.stored_bytes = planar ? part.element_bytes / 2 : part.element_bytes;
      part.eager = span.eager;
      part.late = span.late;
      part.shared = span.role != Role::kPerRank && span.role != Role::kSharded;
      const bool high = mode == RestoreMode::kProgressive && planar && !span.eager && !span.late;
      part.plane = high ? Plane::kHigh : Plane::kWhole;
      AddWanted(span, part, &plan.parts);
    }
  }
  std::stable_sort(plan.parts.begin(), plan.parts.end(),
                   [](const RestorePart& a, const RestorePart& b) {
                     return std::tuple(Group(a), a.wanted) < std::tuple(Group(b), b.wanted);
                   });
  return plan;
}

RestoreTasks DealOut(const RestorePlan& plan, const Readers& readers) {
  Dealer dealer(readers);
  const RestorePart* const end = plan.parts.data() + plan.parts.size();
  for (const RestorePart* begin = plan.parts.data(); begin != end;) {
    const RestorePart* next = begin;
    while (next != end && Group(*next) == Group(*begin)) ++next;
    dealer.Deal(begin, next);
    begin = next;
  }
  dealer.DealLowHalves();
  return dealer.Take();
}

Status ReadPart(const Store& store, const Record& record, PackReader& pack, const RestorePart& part,
                Sink& sink, std::string* buffer) {
  const uint64_t step = std::max<uint64_t>(1, kReadBytes / part.element_bytes);
  for (uint64_t done = 0; done < part.count; done += step) {
    const uint64_t count = std::min(step, part.count - done), first = part.first + done;
    const uint64_t offset = first * part.element_bytes, bytes = count * part.element_bytes;
    char* const room = sink.Room(part.wanted, offset, bytes);
    if (room == nullptr) buffer->resize(bytes);
    char* const out = room == nullptr ? buffer->data() : room;
    const auto read = [&] {
      if (part.plane == Plane::kWhole) return pack.Read(part.span, part.rank, first, count, out);
      return pack.UsePlane(
          Plane::kHigh, part.span, first, count,
          [&](uint64_t before, std::string_view high) { FillMidpoint(high, out + 2 * before); });
    };
    STEMMA_RETURN_IF_ERROR(ReadRetried(store, record, read));
    if (room == nullptr) STEMMA_RETURN_IF_ERROR(sink.Write(part.wanted, offset, *buffer));
  }
  return {};
}

Status ReadLowHalves(const Store& store, const Record& record, PackReader& pack,
                     const RestorePart& part, std::string* low) {
  low->resize(2 * part.count);
  return ReadRetried(store, record, [&] {
    return pack.ReadPlane(Plane::kLow, part.span, part.first, part.count, low->data());
  });
}

}  // namespace stemma::lineage::internal
