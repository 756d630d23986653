// The second half of a derived state: from tensors that are known to the run, packs and record.
// Internal to lineage/reshape.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/layout.h"
#include "lineage/lease.h"
#include "lineage/record.h"
#include "lineage/reshape/derive.h"
#include "lineage/reshape/derived_source.h"
#include "lineage/store.h"

namespace stemma::lineage::internal {

// What is to be written. `tensors` runs parallel to `spans`.
struct Draft {
  std::vector<Origin> origins;
  std::vector<Span> spans;
  std::vector<std::vector<Extract>> tensors;
  Record record;  // all but what the writing finds out: run, layout, packs, bytes
  uint32_t parts = 1;
};

Result<Derived> WriteDerived(Store& store, const Draft& draft, const NewRun& run, Lease* lease);

}  // namespace stemma::lineage::internal
