// The segments of one node-shared communicator: which memory of this rank its peers see, and where
// this rank sees theirs. A span is named to peers as (segment, offset); both are the same on no two
// machines but mean the same memory on all ranks of the node.
//
// A rank may free its segment while peers still use theirs, so mappings stay until all ranks have
// freed it; its pages go back to the system at once. The ranks tell each other what they have freed
// when they next allocate, or the communicator's end frees it.
//
// Thread: any. Owner: the communicator and its segments, whichever ends last.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/node_memory.h"
#include "core/cohort.h"
#include "core/mutex.h"

namespace stemma::comm {

class NodeSegments : public std::enable_shared_from_this<NodeSegments> {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Place {
    uint32_t segment = kNone;
    int64_t offset = 0;
  };

  // Collective over `node`; the same errors on all ranks.
  Result<std::unique_ptr<Segment>> Allocate(Cohort& node, int64_t bytes, std::string_view what);

  // Where [data, data + bytes) lies in this rank's part of a segment; kNone: not in one.
  Place Find(const void* data, size_t bytes) const;
  // Where this rank sees that place of `rank`'s part. REQUIRES: a segment that `rank` has not freed
  char* At(uint32_t segment, int rank, int64_t offset) const;

 private:
  class Held;
  struct Entry {
    std::unique_ptr<NodeMemory> memory;
    char* begin = nullptr;  // this rank's part
    int64_t bytes = 0;
    bool freed = false;  // here
  };
  void Free(uint32_t segment);
  std::string Freed() const;
  void Drop(const std::vector<std::string>& freed_by_rank);

  mutable Mutex mutex_;
  std::vector<Entry> entries_ STEMMA_GUARDED_BY(mutex_);  // by number; dropped ones stay empty
};

}  // namespace stemma::comm
