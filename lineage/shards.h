// Sharded spans: each rank holds some ranges of the whole and writes those, whatever writer it is;
// together the ranks hold every element once. On disk they are pieces like any other (FORMAT.md,
// section 5), so nothing there says who held what, and any number of ranks may read them.
//
//   span.role = Role::kSharded;
//   span.shape = {1000, 512};                      // of the whole
//   span.held = {{first, count}};                  // what this rank has, in elements
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/layout.h"
#include "lineage/span.h"

namespace stemma::lineage {

// kInvalidArgument, naming the span: ranges that are not ascending and disjoint within it, or a
// span with ranges that is not sharded.
Status CheckHeld(const std::vector<Span>& spans);

// Bytes of this rank in sharded spans, by span, then offset. REQUIRES: CheckHeld was OK.
std::vector<SpanRange> HeldBy(const std::vector<Span>& spans);

// What a rank tells the others of its ranges, and whether all of them together hold every element
// of every sharded span once: kInvalidArgument names the span and the elements that nobody holds,
// or that two ranks hold.
std::string EncodeHeld(const std::vector<Span>& spans);
Status CheckAllHeld(const Layout& layout, const std::vector<std::string>& of_ranks);

}  // namespace stemma::lineage
