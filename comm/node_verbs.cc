#include "comm/node_verbs.h"

#include <algorithm>
#include <cstring>

#include "comm/arguments.h"
#include "comm/reduce_kernels.h"
#include "core/cohort.h"

namespace stemma::comm {
namespace {

constexpr int64_t kLine = 64;
constexpr int64_t kBlock = 256 << 10;

int64_t RoundUp(int64_t bytes, int64_t unit) { return (bytes + unit - 1) / unit * unit; }

bool Reduces(NodeVerb verb) { return verb == NodeVerb::kReduce || verb == NodeVerb::kScatter; }

uint64_t KindOf(const NodeCall& call) {
  const uint64_t op = Reduces(call.verb) ? static_cast<uint64_t>(call.op) : 0;
  return static_cast<uint64_t>(call.verb) | op << 8 | static_cast<uint64_t>(call.dtype) << 16 |
         static_cast<uint64_t>(call.root) << 32;
}

// FNV-1a over the counts and the shape that all ranks must give alike; 0 for most calls, which have
// neither.
uint64_t DigestOf(const NodeCall& call) {
  if (call.verb == NodeVerb::kAllToAll || (call.counts.empty() && call.shape.empty())) return 0;
  uint64_t digest = 0xcbf29ce484222325u;
  const auto add = [&](uint64_t word) { digest = (digest ^ word) * 0x100000001b3u; };
  for (int64_t count : call.counts) add(static_cast<uint64_t>(count));
  for (char letter : call.shape) add(static_cast<uint64_t>(letter));
  return digest;
}

// Returns how much of it there is room for.
template <size_t kRoom>
uint8_t Keep(const std::string& text, char (&room)[kRoom]) {
  const size_t bytes = std::min(text.size(), kRoom);
  if (bytes > 0) std::memcpy(room, text.data(), bytes);
  return static_cast<uint8_t>(bytes);
}

std::string_view NameOf(NodeVerb verb) {
  switch (verb) {
    case NodeVerb::kReduce:
      return "all_reduce";
    case NodeVerb::kScatter:
      return "reduce_scatter";
    case NodeVerb::kGather:
      return "all_gather";
    case NodeVerb::kBroadcast:
      return "broadcast";
    case NodeVerb::kAllToAll:
      return "all_to_all";
    case NodeVerb::kBarrier:
      break;
  }
  return "barrier";
}

std::string Numbers(const int64_t* first, int n) {
  std::string text;
  for (int k = 0; k < n; ++k) text += " " + std::to_string(first[k]);
  return text;
}

}  // namespace

NodeVerbs::NodeVerbs(const NodeChannel& channel, const NodeSegments& segments)
    : channel_(channel),
      segments_(segments),
      rank_(channel.rank()),
      from_(static_cast<size_t>(channel.ranks())),
      to_(static_cast<size_t>(channel.ranks()) + 1),
      at_from_(from_.size()),
      at_to_(to_.size()) {}

int NodeVerbs::ranges(const NodeCall& call) const {
  return call.verb == NodeVerb::kGather || call.verb == NodeVerb::kBroadcast ? 1 : ranks();
}

int64_t NodeVerbs::RangeBegin(uint64_t number, const NodeCall& call, int rank, int range) const {
  switch (call.verb) {
    case NodeVerb::kReduce:
      return call.SliceBegin(range);
    case NodeVerb::kScatter:
      return BeginOf(call.counts, range) * call.element();
    case NodeVerb::kAllToAll: {
      const int64_t* const sends = channel_.slot(rank, number).counts();
      int64_t begin = 0;
      for (int d = 0; d < range; ++d) begin += sends[d];
      return begin * call.element();
    }
    default:
      return 0;
  }
}

int64_t NodeVerbs::RangeBytes(uint64_t number, const NodeCall& call, int rank, int range) const {
  switch (call.verb) {
    case NodeVerb::kReduce:
      return call.SliceBegin(range + 1) - call.SliceBegin(range);
    case NodeVerb::kScatter:
      return call.counts[static_cast<size_t>(range)] * call.element();
    case NodeVerb::kGather:
      return call.counts[static_cast<size_t>(rank)] * call.element();
    case NodeVerb::kBroadcast:
      return rank == call.root ? call.count * call.element() : 0;
    case NodeVerb::kAllToAll:
      return channel_.slot(rank, number).counts()[range] * call.element();
    case NodeVerb::kBarrier:
      break;
  }
  return 0;
}

int64_t NodeVerbs::LargestRange(uint64_t number, const NodeCall& call, int rank) const {
  if (call.verb == NodeVerb::kReduce) return call.SliceBegin(1);
  int64_t largest = 0;
  for (int d = 0; d < ranges(call); ++d) {
    largest = std::max(largest, RangeBytes(number, call, rank, d));
  }
  return largest;
}

// Known to a rank before it knows the others' calls, and the same on all ranks.
int64_t NodeVerbs::StagedWindow(const NodeCall& call) const {
  int64_t window = channel_.sizes().stage_bytes / ranges(call) / kLine * kLine;
  if (call.verb == NodeVerb::kAllToAll) return window;
  int64_t largest = call.verb == NodeVerb::kBroadcast ? call.count * call.element() : 0;
  for (int r = 0; r < (call.verb == NodeVerb::kGather ? ranks() : 1); ++r) {
    largest = std::max(largest, LargestRange(0, call, r));
  }
  return std::min(window, RoundUp(largest, kLine));
}

int64_t NodeVerbs::InlineBytes(const NodeCall& call, int rank) const {
  switch (call.verb) {
    case NodeVerb::kGather:
      return call.counts[static_cast<size_t>(rank)] * call.element();
    case NodeVerb::kBroadcast:
      return rank == call.root ? call.count * call.element() : 0;
    default:
      return call.count * call.element();
  }
}

bool NodeVerbs::FitsInline(const NodeCall& call) const {
  if (call.verb == NodeVerb::kBarrier) return true;
  if (call.verb == NodeVerb::kAllToAll) return false;
  int64_t most = InlineBytes(call, call.root);
  if (call.verb == NodeVerb::kGather) {
    most = *std::max_element(call.counts.begin(), call.counts.end()) * call.element();
  }
  return most <= channel_.sizes().inline_bytes;
}

void NodeVerbs::Describe(NodeCall& call, NodePost& post) const {
  post.count = call.count;
  post.scale = call.scale;
  post.kind = KindOf(call);
  post.detail = DigestOf(call);
  const bool sends = call.verb == NodeVerb::kAllToAll;
  if (!call.counts.empty()) {
    const size_t bytes = call.counts.size() * sizeof(int64_t);
    std::memcpy(post.counts(), call.counts.data(), bytes);
    if (sends) std::memcpy(post.counts() + ranks(), call.receive.data(), bytes);
  }
  post.what_bytes = Keep(call.what, post.what);
  post.shape_bytes = Keep(call.shape, post.shape);

  if (FitsInline(call)) {
    call.place = NodePlace::kInline;
    const int64_t bytes = InlineBytes(call, rank_);
    if (bytes > 0) std::memcpy(channel_.payload(post, bytes), call.in, static_cast<size_t>(bytes));
  } else {
    if (call.verb == NodeVerb::kReduce) call.CutSlices(ranks());
    const int64_t bytes = InlineBytes(call, rank_);  // those that this rank gives
    call.seen = segments_.Find(call.in, static_cast<size_t>(bytes));
    const bool seen = bytes == 0 || call.seen.segment != NodeSegments::kNone;
    call.place = seen ? NodePlace::kSegment : NodePlace::kStaged;
    call.window = StagedWindow(call);
    const int64_t largest =
        sends ? *std::max_element(call.counts.begin(), call.counts.end()) * call.element()
              : LargestRange(0, call, rank_);
    call.own_pieces = seen ? 0 : (largest + call.window - 1) / call.window;
  }
  post.place = call.place;
  post.segment = call.seen.segment;
  post.offset = call.seen.offset;
}

Status NodeVerbs::Match(uint64_t number, const NodeCall& call) const {
  const NodePost& mine = channel_.slot(rank_, number);
  const bool blocks = call.verb == NodeVerb::kAllToAll;
  bool same = true;
  for (int r = 0; r < ranks(); ++r) {
    const NodePost& post = channel_.slot(r, number);
    same = same && post.kind == mine.kind && post.scale == mine.scale &&
           post.detail == mine.detail && (post.count == mine.count || blocks);
  }
  if (same) return blocks ? MatchBlocks(number) : Status();
  std::vector<std::string> texts;
  for (int r = 0; r < ranks(); ++r) texts.push_back(Text(channel_.slot(r, number)));
  return {Code::kIncompatible, "call " + std::to_string(number) + ": " + GroupByValue(texts)};
}

Status NodeVerbs::MatchBlocks(uint64_t number) const {
  for (int from = 0; from < ranks(); ++from) {
    for (int to = 0; to < ranks(); ++to) {
      const int64_t sent = channel_.slot(from, number).counts()[to];
      const int64_t received = channel_.slot(to, number).counts()[ranks() + from];
      if (sent == received) continue;
      return {Code::kIncompatible, "call " + std::to_string(number) + ": " +
                                       Text(channel_.slot(from, number)) + ": rank " +
                                       std::to_string(from) + " sends " + std::to_string(sent) +
                                       " elements to rank " + std::to_string(to) +
                                       ", who expects " + std::to_string(received)};
    }
  }
  return {};
}

void NodeVerbs::Cut(uint64_t number, NodeCall& call) const {
  if (call.place == NodePlace::kInline) return;
  bool staged = false;
  int64_t largest = 1;
  for (int r = 0; r < ranks(); ++r) {
    staged = staged || channel_.slot(r, number).place == NodePlace::kStaged;
    if (r > 0 && Reduces(call.verb)) continue;  // the same ranges on all ranks
    largest = std::max(largest, LargestRange(number, call, r));
  }
  call.any_staged = staged;
  call.window = staged ? call.window : largest;
  call.pieces = (largest + call.window - 1) / call.window;
}

int64_t NodeVerbs::WindowBytes(uint64_t number, const NodeCall& call, int rank, int range,
                               int64_t piece) const {
  const int64_t left = RangeBytes(number, call, rank, range) - piece * call.window;
  return std::clamp<int64_t>(left, 0, call.window);
}

char* NodeVerbs::Source(uint64_t number, const NodeCall& call, int rank, int range,
                        int64_t piece) const {
  const NodePost& post = channel_.slot(rank, number);
  if (post.place == NodePlace::kStaged) {
    return channel_.stage(rank, number, piece) + range * call.window;
  }
  const int64_t at = RangeBegin(number, call, rank, range) + piece * call.window;
  return segments_.At(post.segment, rank, post.offset + at);
}

void NodeVerbs::Stage(uint64_t number, const NodeCall& call, int64_t piece) const {
  char* const stage = channel_.stage(rank_, number, piece);
  const bool for_all = ranges(call) == 1;
  for (int d = 0; d < ranges(call); ++d) {
    const int64_t bytes = WindowBytes(number, call, rank_, d, piece);
    if (bytes == 0 || (d == rank_ && !for_all)) continue;
    const char* from = call.in + RangeBegin(number, call, rank_, d) + piece * call.window;
    std::memcpy(stage + d * call.window, from, static_cast<size_t>(bytes));
  }
}

void NodeVerbs::Fetch(uint64_t number, const NodeCall& call, int64_t piece) const {
  for (int step = 1; step < ranks(); ++step) {
    const int d = (rank_ + step) % ranks();
    const int64_t bytes = WindowBytes(number, call, d, d, piece);
    if (bytes == 0) continue;
    char* to = call.out + RangeBegin(number, call, rank_, d) + piece * call.window;
    std::memcpy(to, channel_.sums(d, number, piece), static_cast<size_t>(bytes));
  }
}

bool NodeVerbs::IsStaged(uint64_t number, const NodeCall& call, int rank, int64_t piece) const {
  if (channel_.slot(rank, number).place != NodePlace::kStaged) return true;
  if (channel_.staged(rank) >= NodePosition(number, piece + 1)) return true;
  return LargestRange(number, call, rank) <= piece * call.window;
}

void NodeVerbs::Serve(uint64_t number, const NodeCall& call, int64_t piece) {
  if (!Reduces(call.verb)) return CopyFrom(number, call, piece);
  const int64_t bytes = WindowBytes(number, call, 0, rank_, piece);
  if (bytes == 0) return;
  const bool everywhere = call.verb == NodeVerb::kReduce;
  const int64_t skipped = piece * call.window;
  const int64_t begin = RangeBegin(number, call, rank_, rank_);
  int outs = 0;
  for (int r = 0; r < ranks(); ++r) {
    const bool seen = channel_.slot(r, number).place == NodePlace::kSegment;
    const char* from =
        r == rank_ ? call.in + begin + skipped : Source(number, call, r, rank_, piece);
    from_[static_cast<size_t>(r)] = from;
    if (everywhere && seen && r != rank_) to_[outs++] = const_cast<char*>(from);
  }
  to_[outs++] = call.out + skipped + (everywhere ? begin : 0);
  if (everywhere && call.any_staged) {
    to_[outs++] = channel_.sums(rank_, number, piece);
  }
  const double factor = call.op == Op::kAverage ? call.scale / ranks() : call.scale;
  // From the end: what a rank wrote last is still in the cache, and what is read first afterwards
  // will be.
  for (int64_t end = bytes; end > 0;) {
    const int64_t block = end > kBlock ? kBlock : end;
    end -= block;
    for (int r = 0; r < ranks(); ++r) at_from_[r] = static_cast<const char*>(from_[r]) + end;
    for (int k = 0; k < outs; ++k) at_to_[k] = static_cast<char*>(to_[k]) + end;
    ReduceInto(call.op, call.dtype, at_from_.data(), ranks(), block / call.element(), factor,
               at_to_.data(), outs);
  }
}

void NodeVerbs::CopyFrom(uint64_t number, const NodeCall& call, int64_t piece) const {
  const int own = ranges(call) == 1 ? 0 : rank_;
  for (int step = 0; step < ranks(); ++step) {
    const int r = (rank_ + step) % ranks();  // not all from the same rank at the same time
    const int64_t bytes = WindowBytes(number, call, r, own, piece);
    if (bytes == 0 || (call.verb == NodeVerb::kBroadcast && r == rank_)) continue;
    int64_t before = 0;
    if (call.verb == NodeVerb::kGather) before = BeginOf(call.counts, r);
    if (call.verb == NodeVerb::kAllToAll) before = BeginOf(call.receive, r);
    char* const to = call.out + before * call.element() + piece * call.window;
    const char* from = r == rank_ ? call.in + RangeBegin(number, call, r, own) + piece * call.window
                                  : Source(number, call, r, own, piece);
    if (to != from) std::memmove(to, from, static_cast<size_t>(bytes));
  }
}

void NodeVerbs::ServeInline(uint64_t number, const NodeCall& call) {
  if (call.verb == NodeVerb::kBarrier) return;
  const auto payload = [&](int r) {
    return channel_.payload(channel_.slot(r, number), InlineBytes(call, r));
  };
  if (Reduces(call.verb)) {
    const int64_t begin =
        call.verb == NodeVerb::kScatter ? RangeBegin(number, call, rank_, rank_) : 0;
    const int64_t count =
        call.verb == NodeVerb::kScatter ? call.counts[static_cast<size_t>(rank_)] : call.count;
    for (int r = 0; r < ranks(); ++r) from_[static_cast<size_t>(r)] = payload(r) + begin;
    const double factor = call.op == Op::kAverage ? call.scale / ranks() : call.scale;
    void* to = call.out;
    ReduceInto(call.op, call.dtype, from_.data(), ranks(), count, factor, &to, 1);
    return;
  }
  char* to = call.out;
  for (int r = 0; r < ranks(); ++r) {
    const auto bytes = static_cast<size_t>(InlineBytes(call, r));
    if (bytes > 0) std::memcpy(to, payload(r), bytes);
    to += bytes;
  }
}

std::string NodeVerbs::Text(const NodePost& post) const {
  const auto verb = static_cast<NodeVerb>(post.kind & 0xff);
  CallOptions options;
  options.op = static_cast<Op>(post.kind >> 8 & 0xff);
  options.what.assign(post.what, post.what_bytes);
  options.shape.assign(post.shape, post.shape_bytes);
  const Span span{nullptr, post.count, static_cast<DType>(post.kind >> 16 & 0xff)};
  std::string text = comm::Describe(NameOf(verb), span, options);
  if (verb == NodeVerb::kScatter || verb == NodeVerb::kGather) {
    text += Numbers(post.counts(), ranks());
  }
  if (verb == NodeVerb::kAllToAll) {
    text += " sends" + Numbers(post.counts(), ranks()) + " receives" +
            Numbers(post.counts() + ranks(), ranks());
  }
  if (verb == NodeVerb::kBroadcast) text += " from " + std::to_string(post.kind >> 32);
  if (post.scale != 1) text += " scaled by " + std::to_string(post.scale);
  return text;
}

}  // namespace stemma::comm
