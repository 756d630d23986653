// Brings a state's bytes back, exactly. Every chunk is verified before it is used; a bad one names
// state, pack, tensor and byte range. Any number of ranks may read what any number wrote.
#pragma once

#include <string>
#include <vector>

#include "core/cohort.h"
#include "core/status.h"
#include "lineage/span.h"
#include "lineage/store.h"

namespace stemma::lineage {

// The spans as they were captured, in order; the small ones too.
Result<std::vector<Span>> SpansOf(const Store& store, const Record& record);

// Collective: all ranks restore everything, then agree. `spans` are what the program wants: each
// must be in the state with the same dtype and shape, and nothing of the state may be left over,
// else kIncompatible lists both sides. PerRank spans follow their rule when the number of ranks
// differs. Of a span that is sharded in the program each rank gets what it holds, and of one that
// is not all of it, however the state was written.
Status Restore(const Store& store, const Record& record, const std::vector<Span>& spans, Sink& sink,
               Cohort& cohort);

// One span's bytes, for tools (diff, show): verified, no agreement. `rank` for PerRank spans.
Result<std::string> ReadSpan(const Store& store, const Record& record, const std::string& span,
                             int rank = 0);

}  // namespace stemma::lineage
