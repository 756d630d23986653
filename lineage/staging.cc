#include "lineage/staging.h"

#include <algorithm>
#include <cstring>

#include "lineage/shards.h"

namespace stemma::lineage {
namespace {

uint64_t RoundUp(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

}  // namespace

StagePlan PlanStage(const Layout& layout, const std::vector<Span>& spans, uint32_t writer,
                    uint32_t writers) {
  StagePlan plan;
  for (const SpanRange& range : OwnedBy(layout, writer, writers)) {
    plan.ranges.push_back({range.span, range.offset, range.bytes, 0, spans[range.span].eager});
  }
  for (const SpanRange& range : HeldBy(spans)) {
    plan.ranges.push_back({range.span, range.offset, range.bytes, 0, spans[range.span].eager});
  }
  for (uint32_t i = 0; i < spans.size(); ++i) {
    const uint64_t bytes = static_cast<uint64_t>(spans[i].bytes());
    if (spans[i].role != Role::kPerRank || bytes == 0) continue;
    plan.ranges.push_back({i, 0, bytes, 0, spans[i].eager});
  }
  std::sort(plan.ranges.begin(), plan.ranges.end(), [](const StageRange& a, const StageRange& b) {
    return a.span != b.span ? a.span < b.span : a.offset < b.offset;
  });
  for (StageRange& range : plan.ranges) {
    range.at = plan.bytes;
    plan.bytes = RoundUp(plan.bytes + range.bytes, kSpanAlign);
  }
  return plan;
}

Status StagedCopy::Read(uint32_t span, uint32_t, uint64_t offset, uint64_t bytes, char* out) {
  if (bytes == 0) return {};
  auto range = std::upper_bound(plan_.ranges.begin(), plan_.ranges.end(), std::pair(span, offset),
                                [](const std::pair<uint32_t, uint64_t>& key, const StageRange& r) {
                                  return key < std::pair(r.span, r.offset);
                                });
  if (range == plan_.ranges.begin()) {
    return {Code::kInternal, "span " + std::to_string(span) + " is not staged"};
  }
  --range;
  if (range->span != span || offset + bytes > range->offset + range->bytes) {
    return {Code::kInternal, "bytes " + std::to_string(offset) + " to " +
                                 std::to_string(offset + bytes) + " of span " +
                                 std::to_string(span) + " are not staged"};
  }
  std::memcpy(out, memory_ + range->at + (offset - range->offset), bytes);
  return {};
}

}  // namespace stemma::lineage
