// Memory that all ranks of one node map: every rank owns one part of it and sees the parts of the
// others. Gradient buckets, counters, mailboxes and flight recorders live in such memory.
//
//   STEMMA_ASSIGN_OR_RETURN(auto memory, NodeMemory::Create(node_cohort, bytes, "buckets"));
//   char* mine = memory->part(memory->rank());
//
// Between processes a part is an anonymous file (memfd) that the peers open through its owner's
// /proc entry: not limited by the size of /dev/shm, and nothing is left behind by kill -9. Between
// ranks that are threads of one process it is one allocation that all see at the same address, so
// that a race detector sees the accesses as what they are. Which of the two it is follows from the
// cohort's processes. Every part begins on a multiple of 4096 bytes, is zeroed, and its owner has
// touched every page of it.
//
// Owner: the caller. Parts of living peers stay mapped when a peer ends or dies: they can be read
// afterwards. Thread: any may read and write, the caller synchronises.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/cohort.h"
#include "core/status.h"

namespace stemma::comm {

class NodeMemory {
 public:
  // Collective over the ranks of one node. `bytes` may differ between ranks; 0 is allowed. All
  // ranks get the same error: kIo names the rank, the bytes asked for and the limit that was met
  // (the memory cgroup, free memory, RLIMIT_AS through mmap); kInvalidArgument when ranks cannot
  // map each other's memory (containers of their own), with the setting that does without it.
  static Result<std::unique_ptr<NodeMemory>> Create(Cohort& node, int64_t bytes,
                                                    std::string_view what);
  virtual ~NodeMemory() = default;  // local

  virtual int rank() const = 0;  // within the node
  virtual int ranks() const = 0;
  virtual char* part(int rank) const = 0;
  virtual int64_t bytes(int rank) const = 0;

  // Gives the pages of the own part back to the system while all keep their mappings, in which it
  // reads as zeros from now on. Local; for whoever cannot unmap before the peers do.
  virtual void Discard() = 0;
};

}  // namespace stemma::comm
