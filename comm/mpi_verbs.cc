#include "comm/mpi_verbs.h"

#include <algorithm>
#include <cstring>

#include "comm/arguments.h"
#include "comm/reduce_kernels.h"

namespace stemma::comm {
namespace {

constexpr int64_t kMeetBytesMin = 64 << 10;  // from here on a barrier costs less than it saves

}  // namespace

Span Part(const Span& span, int64_t first, int64_t count) {
  const auto offset = static_cast<size_t>(first) * SizeOf(span.dtype);
  return {static_cast<char*>(span.data) + offset, count, span.dtype};
}

int64_t SliceBegin(int64_t count, int rank, int ranks) {
  return count / ranks * rank + count % ranks * rank / ranks;
}

MpiVerbs::MpiVerbs(MpiGroup& group, int64_t segment_bytes_max)
    : group_(group),
      segment_bytes_max_(segment_bytes_max),
      scratch_(std::make_unique<std::vector<char>>()) {}

MpiVerbs::~MpiVerbs() {
  if (!group_.Health().ok()) scratch_.release();  // MPI may still write there
}

Status MpiVerbs::AllReduce(const Span& span, const CallOptions& options, const Waiting& waiting) {
  const bool small = static_cast<int64_t>(span.bytes()) <= kSmallBytesMax / ranks();
  return small ? ReduceSmall(span, options, waiting) : ReduceLarge(span, options, waiting);
}

Status MpiVerbs::ReduceSmall(const Span& span, const CallOptions& options, const Waiting& waiting) {
  const auto bytes = static_cast<int64_t>(span.bytes());
  char* all = Scratch(bytes * ranks());
  STEMMA_RETURN_IF_ERROR(group_.GatherEqual(span.data, bytes, all, waiting));
  std::vector<const void*> in;
  for (int r = 0; r < ranks(); ++r) in.push_back(all + r * bytes);
  Reduce(options.op, span.dtype, in, span.count, FactorOf(options, ranks()), span.data);
  return {};
}

Status MpiVerbs::ReduceLarge(const Span& span, const CallOptions& options, const Waiting& waiting) {
  Waiting moving = waiting;
  if (static_cast<int64_t>(span.bytes()) >= kMeetBytesMin) {
    STEMMA_RETURN_IF_ERROR(group_.Barrier(waiting));
    moving.eager = true;
  }
  const auto most = segment_bytes_max_ / static_cast<int64_t>(SizeOf(span.dtype));
  for (int64_t at = 0; at < span.count; at += most) {
    const Span segment = Part(span, at, std::min(most, span.count - at));
    STEMMA_RETURN_IF_ERROR(ReduceSegment(segment, options, moving));
  }
  return {};
}

Status MpiVerbs::ReduceSegment(const Span& span, const CallOptions& options,
                               const Waiting& waiting) {
  const int n = ranks();
  const auto size = static_cast<int64_t>(SizeOf(span.dtype));
  std::vector<int64_t> slices;
  for (int r = 0; r < n; ++r) {
    slices.push_back((SliceBegin(span.count, r + 1, n) - SliceBegin(span.count, r, n)) * size);
  }
  const int64_t first = SliceBegin(span.count, rank(), n);
  const Span mine = Part(span, first, slices[rank()] / size);
  char* received = Scratch(slices[rank()] * (n - 1));
  STEMMA_RETURN_IF_ERROR(group_.ExchangeSlices(span.data, slices, received, waiting));

  std::vector<const void*> in;
  for (int r = 0; r < n; ++r) {
    const int64_t place = r < rank() ? r : r - 1;  // among those received
    in.push_back(r == rank() ? mine.data : received + slices[rank()] * place);
  }
  Reduce(options.op, span.dtype, in, mine.count, FactorOf(options, n), mine.data);
  return group_.GatherInPlace(span.data, slices, waiting);
}

char* MpiVerbs::Scratch(int64_t bytes) {
  if (scratch_->size() < static_cast<size_t>(bytes)) scratch_->resize(static_cast<size_t>(bytes));
  return scratch_->data();
}

Status MpiVerbs::AllGather(const ConstSpan& mine, const Span& all,
                           const std::vector<int64_t>& counts, const Waiting& waiting) {
  std::vector<int64_t> bytes;
  char* own = static_cast<char*>(all.data);
  for (int r = 0; r < ranks(); ++r) {
    bytes.push_back(counts[r] * static_cast<int64_t>(SizeOf(all.dtype)));
    if (r < rank()) own += bytes[r];
  }
  // `mine` may lie anywhere, also at its own place within `all`.
  if (mine.count > 0 && own != mine.data) std::memmove(own, mine.data, mine.bytes());
  return group_.GatherInPlace(all.data, bytes, waiting);
}

Status MpiVerbs::ReduceScatter(const ConstSpan& in, const Span& mine,
                               const std::vector<int64_t>& counts, const CallOptions& options,
                               const Waiting& waiting) {
  Waiting moving = waiting;
  if (static_cast<int64_t>(in.bytes()) >= kMeetBytesMin) {
    STEMMA_RETURN_IF_ERROR(group_.Barrier(waiting));
    moving.eager = true;
  }
  return ScatterSegments(in, mine, counts, options, moving);
}

// Segment by segment, every rank sends the peers what lies in this segment of their parts.
Status MpiVerbs::ScatterSegments(const ConstSpan& in, const Span& mine,
                                 const std::vector<int64_t>& counts, const CallOptions& options,
                                 const Waiting& waiting) {
  const int n = ranks();
  const auto size = static_cast<int64_t>(SizeOf(in.dtype));
  const int64_t most = segment_bytes_max_ / size / n;
  // Only read: it is sent from.
  char* const all = const_cast<char*>(static_cast<const char*>(in.data));
  const char* const own = all + BeginOf(counts, rank()) * size;
  const int64_t longest = *std::max_element(counts.begin(), counts.end());
  for (int64_t at = 0; at < longest; at += most) {
    const auto length = [&](int r) { return std::clamp<int64_t>(counts[r] - at, 0, most); };
    const int64_t count = length(rank());
    char* const scratch = Scratch(count * size * (n - 1));
    std::vector<MpiGroup::Block> send(n), receive(n);
    std::vector<const void*> parts(n, own + at * size);
    for (int r = 0, k = 0; r < n; ++r) {
      if (r == rank()) continue;
      send[r] = {all + (BeginOf(counts, r) + at) * size, length(r) * size};
      receive[r] = {scratch + count * size * k++, count * size};
      parts[r] = receive[r].data;
    }
    STEMMA_RETURN_IF_ERROR(group_.Exchange(send, receive, waiting));
    if (count == 0) continue;
    Reduce(options.op, in.dtype, parts, count, FactorOf(options, n), Part(mine, at, count).data);
  }
  return {};
}

Status MpiVerbs::AllToAll(const ConstSpan& in, const std::vector<int64_t>& send, const Span& out,
                          const std::vector<int64_t>& receive, const Waiting& waiting) {
  const auto size = static_cast<int64_t>(SizeOf(in.dtype));
  char* from = const_cast<char*>(static_cast<const char*>(in.data));  // only read
  char* to = static_cast<char*>(out.data);
  std::vector<MpiGroup::Block> sent(ranks()), received(ranks());
  for (int r = 0; r < ranks(); ++r) {
    sent[r] = {from, send[r] * size};
    received[r] = {to, receive[r] * size};
    from += sent[r].bytes;
    to += received[r].bytes;
  }
  const MpiGroup::Block& own = sent[rank()];
  if (own.bytes > 0) std::memcpy(received[rank()].data, own.data, own.bytes);
  return group_.Exchange(sent, received, waiting);
}

}  // namespace stemma::comm
