// The staged copy: the bytes of one capture that this rank will write, in one block of aligned
// memory, safe from the training that goes on.
//
//   StagePlan plan = PlanStage(layout, spans, {{SpanPart::kAll, writer, writers}});
//   for (const StageRange& r : plan.ranges) source.Read(r.span, r.offset, r.bytes, memory + r.at);
//   StagedCopy copy(plan, memory);                 // what WritePack reads from
//
// Plain data and pure functions; the memory is the caller's.
#pragma once

#include <cstdint>
#include <vector>

#include "core/status.h"
#include "lineage/aligned_memory.h"
#include "lineage/layout.h"
#include "lineage/pack.h"
#include "lineage/span.h"

namespace stemma::lineage {

// Bytes [offset, offset + bytes) of a span, staged at `at`.
struct StageRange {
  uint32_t span = 0;
  uint64_t offset = 0, bytes = 0, at = 0;
  bool eager = false;
};

struct StagePlan {
  std::vector<StageRange> ranges;  // by span, then offset
  uint64_t bytes = 0;              // of memory
};

// One pack that a rank writes of a capture.
struct PackDuty {
  SpanPart part = SpanPart::kAll;
  uint32_t writer = 0, writers = 1;
};

// The flat spans of each duty; unless all are of frozen spans, the PerRank spans of the rank that
// plans, and what it holds of Sharded ones.
StagePlan PlanStage(const Layout& layout, const std::vector<Span>& spans,
                    const std::vector<PackDuty>& duties);

class StagedCopy final : public PieceSource {
 public:
  // `plan` and `memory` outlive it.
  StagedCopy(const StagePlan& plan, const char* memory) : plan_(plan), memory_(memory) {}
  Status Read(uint32_t span, uint32_t rank, uint64_t offset, uint64_t bytes, char* out) override;

 private:
  const StagePlan& plan_;
  const char* memory_;
};

}  // namespace stemma::lineage
