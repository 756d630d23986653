#include "comm/arguments.h"

#include <numeric>

namespace stemma::comm {
namespace {

Status Refuse(const std::string& why) { return {Code::kInvalidArgument, why}; }

template <typename AnySpan>
Status CheckSpan(const AnySpan& span, const char* name) {
  if (span.count < 0) return Refuse(std::string(name) + ": a count below zero");
  if (SizeOf(span.dtype) == 0) return Refuse(std::string(name) + ": an unknown dtype");
  if (span.count > 0 && span.data == nullptr) {
    return Refuse(std::string(name) + ": no memory for " + std::to_string(span.count) +
                  " elements");
  }
  return {};
}

bool CanReduce(DType dtype) { return dtype != DType::kBool && dtype != DType::kI16; }

std::string Text(int64_t number) { return std::to_string(number); }

Status CheckArithmetic(const std::string& call, DType dtype, const CallOptions& options) {
  if (NameOf(options.op) == "?") return Refuse(call + ": an unknown operator");
  if (!CanReduce(dtype)) {
    return Refuse(call + ": " + std::string(NameOf(dtype)) +
                  " cannot be reduced; use u8, i8, i32, i64, f16, bf16, f32 or f64");
  }
  if (options.op == Op::kAverage && !IsFloat(dtype)) {
    return Refuse(call + ": the average of " + std::string(NameOf(dtype)) +
                  " would be rounded; sum, and divide where the remainder is known");
  }
  return {};
}

// One count per rank, none below zero, which add up to `span`.
template <typename AnySpan>
Status CheckCounts(const std::string& call, const AnySpan& span, const char* name,
                   const std::vector<int64_t>& counts, int ranks) {
  STEMMA_RETURN_IF_ERROR(CheckSpan(span, (call + ", " + name).c_str()));
  if (counts.size() != static_cast<size_t>(ranks)) {
    return Refuse(call + ": " + std::to_string(counts.size()) + " counts for " + Text(ranks) +
                  " ranks");
  }
  int64_t total = 0;
  for (int64_t count : counts) {
    if (count < 0) return Refuse(call + ": a count below zero");
    if (__builtin_add_overflow(total, count, &total)) return Refuse(call + ": counts overflow");
  }
  if (span.count == total) return {};
  return Refuse(call + ": " + name + " has " + Text(span.count) +
                " elements, the counts add up to " + Text(total));
}

Status CheckOwn(const std::string& call, int64_t mine, const std::vector<int64_t>& counts,
                int rank) {
  if (mine == counts[rank]) return {};
  return Refuse(call + ": mine has " + Text(mine) + " elements, counts[" + Text(rank) + "] says " +
                Text(counts[rank]));
}

Status CheckDTypes(const std::string& call, const char* names, DType a, DType b) {
  if (a == b) return {};
  return Refuse(call + ": " + names + " have different dtypes, " + std::string(NameOf(a)) +
                " and " + std::string(NameOf(b)));
}

}  // namespace

Status CheckReduce(const Span& inout, const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckSpan(inout, "all_reduce"));
  return CheckArithmetic("all_reduce", inout.dtype, options);
}

Status CheckGather(const ConstSpan& mine, const Span& all, const std::vector<int64_t>& counts,
                   int rank, int ranks) {
  STEMMA_RETURN_IF_ERROR(CheckSpan(mine, "all_gather, mine"));
  STEMMA_RETURN_IF_ERROR(CheckCounts("all_gather", all, "all", counts, ranks));
  STEMMA_RETURN_IF_ERROR(CheckDTypes("all_gather", "mine and all", mine.dtype, all.dtype));
  STEMMA_RETURN_IF_ERROR(CheckOwn("all_gather", mine.count, counts, rank));
  const auto skipped = static_cast<size_t>(BeginOf(counts, rank)) * SizeOf(all.dtype);
  if (Overlap(mine, Const(all)) && static_cast<const char*>(all.data) + skipped != mine.data) {
    return Refuse("all_gather: mine overlaps all, and is not its own part of it");
  }
  return {};
}

Status CheckReduceScatter(const ConstSpan& in, const Span& mine, const std::vector<int64_t>& counts,
                          int rank, int ranks, const CallOptions& options) {
  const std::string call = "reduce_scatter";
  STEMMA_RETURN_IF_ERROR(CheckSpan(mine, "reduce_scatter, mine"));
  STEMMA_RETURN_IF_ERROR(CheckCounts(call, in, "in", counts, ranks));
  STEMMA_RETURN_IF_ERROR(CheckDTypes(call, "in and mine", in.dtype, mine.dtype));
  STEMMA_RETURN_IF_ERROR(CheckOwn(call, mine.count, counts, rank));
  STEMMA_RETURN_IF_ERROR(CheckArithmetic(call, in.dtype, options));
  if (options.op != Op::kSum && options.op != Op::kAverage) {
    return Refuse(call + ": " + std::string(NameOf(options.op)) +
                  " is not offered; use sum or average, or all_reduce");
  }
  const auto skipped = static_cast<size_t>(BeginOf(counts, rank)) * SizeOf(in.dtype);
  if (Overlap(in, Const(mine)) && static_cast<const char*>(in.data) + skipped != mine.data) {
    return Refuse(call + ": mine overlaps in, and is not its own part of it");
  }
  return {};
}

Status CheckAllToAll(const ConstSpan& in, const std::vector<int64_t>& send, const Span& out,
                     const std::vector<int64_t>& receive, int rank, int ranks) {
  const std::string call = "all_to_all";
  STEMMA_RETURN_IF_ERROR(CheckCounts(call, in, "in", send, ranks));
  STEMMA_RETURN_IF_ERROR(CheckCounts(call, out, "out", receive, ranks));
  STEMMA_RETURN_IF_ERROR(CheckDTypes(call, "in and out", in.dtype, out.dtype));
  if (send[rank] != receive[rank]) {
    return Refuse(call + ": rank " + Text(rank) + " sends itself " + Text(send[rank]) +
                  " elements and expects " + Text(receive[rank]));
  }
  if (Overlap(in, Const(out))) return Refuse(call + ": in and out overlap");
  return {};
}

Status CheckBroadcast(const Span& inout, int root, int ranks) {
  STEMMA_RETURN_IF_ERROR(CheckSpan(inout, "broadcast"));
  if (root < 0 || root >= ranks) {
    return Refuse("broadcast: root " + std::to_string(root) + " of " + std::to_string(ranks) +
                  " ranks");
  }
  return {};
}

ConstSpan Const(const Span& span) { return {span.data, span.count, span.dtype}; }

bool Overlap(const ConstSpan& a, const ConstSpan& b) {
  const auto* const a_begin = static_cast<const char*>(a.data);
  const auto* const b_begin = static_cast<const char*>(b.data);
  return a.count > 0 && b.count > 0 && a_begin < b_begin + b.bytes() &&
         b_begin < a_begin + a.bytes();
}

int64_t BeginOf(const std::vector<int64_t>& counts, int rank) {
  return std::accumulate(counts.begin(), counts.begin() + rank, int64_t{0});
}

double FactorOf(const CallOptions& options, int ranks) {
  return options.op == Op::kAverage ? options.scale / ranks : options.scale;
}

std::string Describe(std::string_view call, const Span& span, const CallOptions& options) {
  std::string text(call);
  if (!options.what.empty()) text += " \"" + options.what + "\"";
  if (call != "barrier") {
    text += " " + std::string(NameOf(span.dtype));
    text += options.shape.empty() ? "[" + std::to_string(span.count) + "]" : options.shape;
  }
  if (call == "all_reduce" || call == "reduce_scatter")
    text += " " + std::string(NameOf(options.op));
  return text;
}

}  // namespace stemma::comm
