// What the captures of one training share as long as its spans keep their roles: constant, and the
// same on all ranks but for `rank` and what each holds of sharded spans. Internal to lineage/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/layout.h"
#include "lineage/settings.h"
#include "lineage/span.h"
#include "lineage/store.h"

namespace stemma::lineage {

struct CaptureContext {  // references outlive the workers
  Store& store;
  Source& source;
  std::vector<Span> spans;
  Layout layout;
  std::string tmp_dir, run;
  uint32_t incarnation = 0;
  int rank = 0, ranks = 1;
  uint32_t writers = 1;         // of everything but frozen spans
  uint32_t frozen_writers = 0;  // 0: no frozen spans, or none with bytes
  bool per_rank = false;        // there are PerRank spans
  bool sharded = false;         // there are Sharded spans
  bool direct = true, direct_required = false;
};

// W: enough bytes for each writer of the part; of all but frozen spans every rank where ranks have
// bytes of their own, per rank or of sharded spans.
uint32_t WritersFor(const LineageSettings& settings, const Layout& layout, int ranks,
                    SpanPart part);

// kInvalidArgument names the setting or the span that makes no sense.
Status CheckCreate(const LineageSettings& settings, const std::vector<Span>& spans, int rank,
                   int ranks, const RunWriter* writer);

// `tmp_dir` tells run and incarnation. Writes nothing: the layout is the caller's to make durable.
Result<std::shared_ptr<const CaptureContext>> MakeContext(const LineageSettings& settings,
                                                          Store& store, Source& source,
                                                          const std::string& tmp_dir,
                                                          std::vector<Span> spans, int rank,
                                                          int ranks);

// The same training after some spans were frozen, or are trained again; kInvalidArgument for any
// other change.
Result<std::shared_ptr<const CaptureContext>> WithSpans(const LineageSettings& settings,
                                                        const CaptureContext& before,
                                                        std::vector<Span> spans);

}  // namespace stemma::lineage
