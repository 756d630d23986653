#include "lineage/staging.h"

#include <algorithm>
#include <cstring>

#include "lineage/shards.h"

namespace stemma::lineage {
namespace {

uint64_t RoundUp(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

}  // namespace

StagePlan PlanStage(const Layout& layout, const std::vector<Span>& spans,
                    const std::vector<PackDuty>& duties) {
  StagePlan plan;
  std::vector<SpanRange> ranges;
  const auto add = [&](const std::vector<SpanRange>& more) {
    ranges.insert(ranges.end(), more.begin(), more.end());
  };
  bool own = false;
  for (const PackDuty& duty : duties) {
    add(OwnedBy(layout, duty.writer, duty.writers, duty.part));
    own |= duty.part != SpanPart::kFrozen;
  }
  if (own) add(HeldBy(spans));
  for (uint32_t i = 0; own && i < spans.size(); ++i) {
    const uint64_t bytes = static_cast<uint64_t>(spans[i].bytes());
    if (spans[i].role == Role::kPerRank && bytes > 0) ranges.push_back({i, 0, bytes});
  }
  for (const SpanRange& range : ranges) {
    plan.ranges.push_back({range.span, range.offset, range.bytes, 0, spans[range.span].eager});
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
