// What lineage/ captures: named spans of host bytes. A Span says what the bytes are and who holds
// them; a Source hands them out; a Sink takes them back. lineage/ knows nothing of tensors, GPUs or
// MPI: models/ binds those.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "core/status.h"

namespace stemma::lineage {

// Declared, never guessed. These numbers reach disk.
enum class Role : uint8_t {
  kReplicated = 1,  // equal on all ranks of the group: one copy, each rank writes a disjoint range
  kPerRank = 2,     // each rank has its own; small
  kSharded = 3,     // each rank holds ranges of it (sharded optimizer state): see shards.h
  kFrozen = 4,      // replicated and never changing: written once, shared by name
};

// What a PerRank span means at another number of ranks. These numbers reach disk.
enum class OnReshape : uint8_t { kTakeRank0 = 1, kReseed = 2, kRefuse = 3 };

struct Elements {
  int64_t first = 0, count = 0;
};

struct Span {
  std::string name;             // unique; "block3.gate.weight"; "__stemma." is reserved
  std::string section;          // "params", "optim/m", "small": its spans lie together
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;   // {} is a scalar
  Role role = Role::kReplicated;
  OnReshape on_reshape = OnReshape::kTakeRank0;  // PerRank only
  bool eager = false;           // copied inside Capture(); others until the fence
  bool late = false;            // a restore reads it after all others: not needed before an update
  // Sharded only: which elements of the whole this rank holds, ascending; maybe none. Captures
  // read, and restores write, no others on this rank. Not stored: a state does not say who held
  // what.
  std::vector<Elements> held;
  int64_t count() const;        // elements; -1: negative dimension, or overflow
  int64_t bytes() const;        // the same in bytes
};

bool HasRole(const std::vector<Span>& spans, Role role);

class Source {
 public:
  virtual ~Source() = default;
  // Copies `bytes` bytes of span `span` from `offset` to `out`. Called from a lineage thread, in
  // any order, between Capture() and the end of the fence; the bytes do not change in that time.
  virtual Status Read(size_t span, uint64_t offset, uint64_t bytes, char* out) = 0;
};

class Sink {
 public:
  virtual ~Sink() = default;
  // Threads of a restore, several at once, in any order, each byte once. Copies into existing
  // memory.
  virtual Status Write(size_t span, uint64_t offset, std::string_view bytes) = 0;
  // Where Write would copy these bytes to, so that they are put there at once; null: call Write.
  virtual char* Room(size_t span, uint64_t offset, uint64_t bytes) {
    (void)span;
    (void)offset;
    (void)bytes;
    return nullptr;
  }
  // A progressive restore (restore.h), of an f32 span whose upper halves were written before: the
  // lower 16 bits of elements from `first` on, 2 bytes each. Inside Restoring::WaitAll, on its
  // caller's thread. kInvalidArgument unless a sink says otherwise: it takes whole values only.
  virtual Status WriteLow(size_t span, uint64_t first, std::string_view low);
};

}  // namespace stemma::lineage
