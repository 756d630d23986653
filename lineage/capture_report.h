// What ranks tell each other about a capture: each its part (gathered), rank 0 the verdict
// (broadcast). Bytes on the wire only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/layout.h"
#include "lineage/record.h"

namespace stemma::lineage {

enum class PartState : uint8_t { kWorking = 1, kWritten = 2, kFailed = 3 };

struct PartReport {
  uint64_t capture = 0;
  PartState state = PartState::kWorking;
  uint64_t audit = 0;
  std::optional<PackRef> pack, frozen;  // what it wrote
  ObjectId layout;                      // equal on all ranks: what one takes for frozen, all do
  std::string held;  // with the first capture: EncodeHeld of the rank's sharded spans
  Status status;     // kFailed: why
};

std::string EncodePart(const PartReport& report);
Result<PartReport> DecodePart(std::string_view bytes);

// An OK verdict carries the payload of the record that is durable now.
std::string EncodeVerdict(const Status& status, std::string_view payload);
Status DecodeVerdict(std::string_view bytes, std::string* payload);

// The packs that the ranks wrote of one part, by writer: one of each of `writers`. Ranks that were
// told other settings cut the state elsewhere, and such packs together are no state.
Result<std::vector<PackRef>> GatherPacks(const std::vector<PartReport>& reports,
                                         std::optional<PackRef> PartReport::*part,
                                         uint32_t writers);

// OK when the ranks hold every element of the sharded spans once, as the first capture's reports
// say: an incomplete state must not be found out by the restore.
Status CheckShards(const Layout& layout, const std::vector<PartReport>& reports);

// The ranks whose replicas differ, as DifferingRanks; "" when none does.
std::string DifferingIn(const std::vector<PartReport>& reports);

// What all parts say together: kWritten when every part is, kFailed when one is; else kWorking.
PartState Together(const std::vector<PartReport>& reports);
// The first failure, with its rank; kInternal when ranks speak of different captures.
Status FirstFailure(const std::vector<PartReport>& reports);

}  // namespace stemma::lineage
