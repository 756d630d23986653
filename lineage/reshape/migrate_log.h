// The logs of a run that migrates: the frames of one incarnation as its own store has them, and the
// segment that repeats some of them elsewhere. Internal to lineage/reshape.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/log.h"
#include "lineage/names.h"
#include "lineage/record.h"
#include "lineage/storage.h"

namespace stemma::lineage::internal {

// Payloads as they stand in the log, so that fields of later versions go along.
struct LogOfIncarnation {
  std::string open;  // "": it has none
  std::map<StateId, std::string> states;
};

// The numbers of a run's incarnations, ascending; none when there is no such run.
Result<std::vector<uint32_t>> IncarnationsOf(Storage& storage, const Paths& paths,
                                             const std::string& run);

// Its `open`, and those of its states that are `wanted`; null: no states. kCorruption when a log
// may hide some.
Result<LogOfIncarnation> ReadLog(Storage& storage, const Paths& paths, const std::string& run,
                                 uint32_t incarnation,
                                 const std::map<StateId, const Record*>* wanted);

// A new segment of an incarnation that others may have segments of. Its frames are many and written
// at once, and of bytes that were not synced a crash may leave any part, which in the log of a run
// that has a name would be damage. So it is made whole in tmp/ and renamed to its number, which is
// claimed by an empty file.
class MigrantSegment {
 public:
  MigrantSegment();
  void Add(FrameType type, std::string_view payload);
  // All that was added, durable under the next number. After a failure another one is to be made.
  Status Publish(Storage& storage, const Paths& paths, const std::string& run,
                 uint32_t incarnation) const;

 private:
  std::string ulid_, bytes_;
};

}  // namespace stemma::lineage::internal
