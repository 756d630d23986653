#include "comm/arguments.h"

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

}  // namespace

Status CheckReduce(const Span& inout, const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckSpan(inout, "all_reduce"));
  if (NameOf(options.op) == "?") return Refuse("all_reduce: an unknown operator");
  if (!CanReduce(inout.dtype)) {
    return Refuse("all_reduce: " + std::string(NameOf(inout.dtype)) +
                  " cannot be reduced; use u8, i8, i32, i64, f16, bf16, f32 or f64");
  }
  if (options.op == Op::kAverage && !IsFloat(inout.dtype)) {
    return Refuse("all_reduce: the average of " + std::string(NameOf(inout.dtype)) +
                  " would be rounded; sum, and divide where the remainder is known");
  }
  return {};
}

Status CheckGather(const ConstSpan& mine, const Span& all, const std::vector<int64_t>& counts,
                   int rank, int ranks) {
  STEMMA_RETURN_IF_ERROR(CheckSpan(mine, "all_gather, mine"));
  STEMMA_RETURN_IF_ERROR(CheckSpan(all, "all_gather, all"));
  if (counts.size() != static_cast<size_t>(ranks)) {
    return Refuse("all_gather: " + std::to_string(counts.size()) + " counts for " +
                  std::to_string(ranks) + " ranks");
  }
  int64_t total = 0;
  for (int64_t count : counts) {
    if (count < 0) return Refuse("all_gather: a count below zero");
    total += count;
  }
  if (mine.dtype != all.dtype) return Refuse("all_gather: mine and all have different dtypes");
  if (mine.count != counts[rank]) {
    return Refuse("all_gather: mine has " + std::to_string(mine.count) + " elements, counts[" +
                  std::to_string(rank) + "] says " + std::to_string(counts[rank]));
  }
  if (all.count != total) {
    return Refuse("all_gather: all has " + std::to_string(all.count) +
                  " elements, the counts add up to " + std::to_string(total));
  }
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

double FactorOf(const CallOptions& options, int ranks) {
  return options.op == Op::kAverage ? options.scale / ranks : options.scale;
}

std::string Describe(std::string_view call, const Span& span, const CallOptions& options) {
  std::string text(call);
  if (!options.what.empty()) text += " \"" + options.what + "\"";
  if (call != "barrier") {
    text += " " + std::string(NameOf(span.dtype)) + "[" + std::to_string(span.count) + "]";
  }
  if (call == "all_reduce") text += " " + std::string(NameOf(options.op));
  return text;
}

}  // namespace stemma::comm
