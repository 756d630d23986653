// The small files by which processes that share a store tell each other what they are at: what a
// lease protects, what a collector plans, that it is alive, what it did. They guide and explain;
// that no state loses its bytes never rests on one of them.
//
//   Notice plan;  plan.owner = token;  plan.objects = packs;
//   STEMMA_RETURN_IF_ERROR(PutNotice(storage, paths, paths.EpochPlan(3), plan));
//   STEMMA_ASSIGN_OR_RETURN(const Notice beat, ReadNotice(storage, paths.EpochBeat(3)));
//
// Failure: as Storage; kCorruption when a file's magic or digest is wrong. FORMAT.md has the bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/names.h"
#include "lineage/record.h"
#include "lineage/storage.h"

namespace stemma::lineage {

struct Notice {
  std::string owner;     // ulid: a token that no other process has
  uint64_t counter = 0;  // of a beat: it has changed since the last look, so the owner lives
  std::vector<ObjectId> objects;
  uint64_t bytes = 0;  // of these objects, where it is known
  std::string who, why;
  int64_t wall_ms = 0;  // for display only
};

Result<std::string> EncodeNotice(const Notice& notice);
Result<Notice> DecodeNotice(std::string_view file);

// Replaces the file at once: a reader sees the old notice or the new one. Not synced, since after a
// power failure nobody is at work.
Status PutNotice(Storage& storage, const Paths& paths, const std::string& path,
                 const Notice& notice);
Result<Notice> ReadNotice(Storage& storage, const std::string& path);

}  // namespace stemma::lineage
