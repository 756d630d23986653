// What was skipped in an epoch because it could not be decoded or was gone, over all ranks: how
// many samples, and where the first of them lie. A rank sees only its own part of each batch, so
// they are put together once, when an epoch has ended.
//
//   STEMMA_RETURN_IF_ERROR(TellBadSamples(cohort, batch.begin.epoch, data->Skipped(epoch)));
//
//   W bad samples were left out epoch=3 count=41 ranks="ranks {0,5}"
//   W bad sample what="/data/x.tar, 'a/7.jpg' at byte 512: the JPEG is damaged: ..."
//
// Counted is what this incarnation of a run has read: one that began within the epoch has not seen
// the part before. Owner, thread: the caller's, who is the same thread on every rank of the cohort.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/cohort.h"
#include "core/status.h"

namespace stemma::models {

constexpr size_t kBadNamesMax = 20;
constexpr float kNoLabel = -1;  // the target of a sample that was left out

// Of one epoch, on this rank or on all.
struct BadSamples {
  int64_t count = 0;
  std::vector<std::string> names;  // of the first kBadNamesMax, with the reason
};

// What this rank leaves out, by epoch. Any thread.
class SkippedSamples {
 public:
  // Counts one, and logs and keeps the names of the first kBadNamesMax of an epoch. `reason`, with
  // the number before it, when these are more than `most` of the epoch.
  Status Add(uint64_t epoch, int64_t most, Status reason);
  BadSamples Of(uint64_t epoch) const;

 private:
  mutable std::mutex mutex_;
  std::map<uint64_t, BadSamples> by_epoch_;
};

// All ranks' together, in rank order, on every rank. `ranks` gets those that have any; null: not
// asked for. Collective. kInternal when a rank sends what is no list.
Result<BadSamples> GatherBadSamples(Cohort& cohort, const BadSamples& mine,
                                    std::vector<int>* ranks = nullptr);

// A warning of rank 0 in the log with all of it, and one line per name; nothing where all samples
// were good. Collective.
Status TellBadSamples(Cohort& cohort, uint64_t epoch, const BadSamples& mine);

}  // namespace stemma::models
