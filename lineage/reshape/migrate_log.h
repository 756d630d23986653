// The logs of a run that migrates: the frames of one incarnation as its own store has them, and the
// segment that repeats some of them elsewhere. Internal to lineage/reshape.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
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

// A new segment of an incarnation that others may have segments of: the number is claimed by making
// the file. What was added is there after Sync().
class MigrantSegment {
 public:
  static Result<MigrantSegment> Create(Storage& storage, const Paths& paths, const std::string& run,
                                       uint32_t incarnation);
  void Add(FrameType type, std::string_view payload);
  Status Sync();
  Status Close() { return file_->Close(); }

 private:
  std::unique_ptr<WritableFile> file_;
  std::string ulid_, pending_;
};

}  // namespace stemma::lineage::internal
