#include "models/train/live_state.h"

#include <ATen/ATen.h>

#include <utility>

#include "core/bytes.h"
#include "lineage/graph.h"
#include "ops/guard.h"

namespace stemma::models {
namespace {

std::string Named(const lineage::Record& record) {
  return lineage::NameOfState(record) + " (" + Hex(record.id).substr(0, 8) + ")";
}

// Bytes of a span.
struct Range {
  uint64_t first = 0, bytes = 0;
};

// What a rank has of it: all, or of a sharded one the range it says it holds.
Range RangeOf(const lineage::Span& span) {
  if (span.role != lineage::Role::kSharded) return {0, static_cast<uint64_t>(span.bytes())};
  if (span.held.empty()) return {};
  const uint64_t size = SizeOf(span.dtype);
  return {static_cast<uint64_t>(span.held[0].first) * size,
          static_cast<uint64_t>(span.held[0].count) * size};
}

// Two trainings mean the same tensor. Who keeps which part of it may differ.
Status CheckSame(const lineage::Span& live, const lineage::Span& mine) {
  if (live.name == mine.name && live.dtype == mine.dtype && live.shape == mine.shape) return {};
  return {Code::kIncompatible,
          "the training has '" + mine.name + "' where the live state has '" + live.name +
              "' or another type or shape of it: a fork keeps the model and the optimizer"};
}

Status CopyPart(const LiveState::Part& part, size_t span, Binding* binding) {
  const Range wanted = RangeOf(binding->spans()[span]);
  if (wanted.bytes == 0) return {};
  const int64_t first = static_cast<int64_t>(wanted.first) - part.first;
  const auto bytes = static_cast<int64_t>(wanted.bytes);
  if (first < 0 || first + bytes > part.bytes.numel()) {
    return {Code::kIncompatible,
            "this rank keeps bytes of '" + part.span.name +
                "' that the live state has on another rank: hand it over with WarmFork"};
  }
  binding->BytesOf(span, wanted.first, wanted.bytes).copy_(part.bytes.narrow(0, first, bytes));
  return {};
}

Status CopyAll(const LiveState& live, Binding* binding) {
  const std::vector<lineage::Span>& spans = binding->spans();
  if (live.parts.size() + 1 != spans.size()) {
    return {Code::kIncompatible, "the live state has " + std::to_string(live.parts.size()) +
                                     " tensors, the training " + std::to_string(spans.size() - 1)};
  }
  for (size_t i = 0; i < live.parts.size(); ++i) {
    STEMMA_RETURN_IF_ERROR(CheckSame(live.parts[i].span, spans[i]));
    STEMMA_RETURN_IF_ERROR(CopyPart(live.parts[i], i, binding));
  }
  return binding->Write(spans.size() - 1, 0, live.small);
}

}  // namespace

Status CheckHandOver(const HandOver& hand_over, const std::string& store) {
  const bool wanted = hand_over.give != nullptr;
  if (wanted != (hand_over.due != nullptr)) {
    return {Code::kInvalidArgument, "a hand-over needs both: when it is due, and who is given it"};
  }
  if (!wanted || !store.empty()) return {};
  return {Code::kInvalidArgument,
          "a state is handed over when it is durable, and there is no store: set lineage.store"};
}

Result<LiveState> LiveStateOf(Binding& binding, const lineage::Record& record) {
  LiveState live;
  live.record = record;
  const size_t small = binding.spans().size() - 1;
  for (size_t i = 0; i < small; ++i) {
    const lineage::Span& span = binding.spans()[i];
    const Range range = RangeOf(span);
    at::Tensor bytes =
        range.bytes > 0 ? binding.BytesOf(i, range.first, range.bytes) : at::empty({0}, at::kByte);
    live.parts.push_back({span, static_cast<int64_t>(range.first), std::move(bytes)});
  }
  live.small.resize(kSmallBytes);
  STEMMA_RETURN_IF_ERROR(binding.Read(small, 0, kSmallBytes, live.small.data()));
  return live;
}

Result<LiveState> Clone(const LiveState& live) {
  LiveState copy = live;
  STEMMA_RETURN_IF_ERROR(ops::Guard("copy of a live state", [&]() -> Status {
    for (LiveState::Part& part : copy.parts) part.bytes = part.bytes.clone();
    return {};
  }));
  return copy;
}

Status CopyInto(const LiveState& live, const std::optional<lineage::Record>& from,
                Binding* binding) {
  if (!from || from->id != live.record.id) {
    return {Code::kInvalidArgument,
            "the live state is " + Named(live.record) + ", but the run begins " +
                (from ? "at " + Named(*from) : "from nothing") +
                ": name the run that was forked from it, or leave it out to read from the store"};
  }
  return ops::Guard("copy of a live state", [&] { return CopyAll(live, binding); });
}

}  // namespace stemma::models
