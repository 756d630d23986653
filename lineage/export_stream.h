// What the forms of an export share: which spans of a state go out, and their bytes in order, out
// of whatever packs hold them. Internal to lineage/: export.h.
//
// Memory: some MiB whatever the state's size. Every byte is verified on its way. Thread: one at a
// time. Failure: as PackReader.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "core/status.h"
#include "lineage/export.h"
#include "lineage/layout.h"
#include "lineage/open_state.h"
#include "lineage/span.h"

namespace stemma::lineage {

// The type that `span` has in the file.
DType StoredType(const Span& span, const ExportOptions& options);

struct ExportedSpans {
  std::vector<uint32_t> spans;  // in the order of the layout
  uint64_t left_out = 0;        // spans of the state that are in no part
};

// kNotFound where the state has none.
Result<ExportedSpans> SpansOf(const Layout& layout, ExportPart part);

// Gives the bytes of `spans`, one after the other, to `take`, in pieces of about a MiB. Adds to
// `quieted` the NaNs that bf16 would have made infinities.
Status StreamSpans(const OpenState& state, const std::vector<uint32_t>& spans,
                   const ExportOptions& options, uint64_t* quieted,
                   const std::function<Status(std::string_view)>& take);

// Where the state came from, as JSON: {"format":"pt","stemma.state":"...", ...}.
std::string OriginJson(const Record& record);

}  // namespace stemma::lineage
