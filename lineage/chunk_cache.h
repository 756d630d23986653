// Verified chunks of packs, kept for a while by the threads that read one state together. Where two
// of them read what lies side by side, they meet in a chunk of each plane: it is read and hashed
// once.
//
//   const uint64_t pack = cache.NewPack();
//   cache.Use(pack, index, load, [&](std::string_view chunk) { copy(chunk); });
//
// Any thread. Whoever asks for a chunk that another thread is loading waits for it, and loads it
// himself when the other one failed. The memory is for `chunks` chunks, on huge pages; when all are
// in use, whoever wants another one waits. A thread may use two at once, so there are at least
// twice as many as threads.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string_view>

#include "core/status.h"
#include "lineage/aligned_memory.h"

namespace stemma::lineage::internal {

class ChunkCache {
 public:
  // Fills memory for a whole chunk, as O_DIRECT wants it, and says how many bytes it has.
  using Load = std::function<Result<uint64_t>(char*)>;
  using User = std::function<void(std::string_view)>;

  explicit ChunkCache(size_t chunks) : entries_(chunks) {}

  // A number of its own for each pack.
  uint64_t NewPack();
  // Calls `use` with the chunk's bytes, which `load` gives when they are not there; both without a
  // lock. Fails as `load` does.
  Status Use(uint64_t pack, uint64_t index, const Load& load, const User& use);

 private:
  struct Entry {
    uint64_t pack = 0, index = 0;  // pack 0: none yet
    bool loaded = false;
    int users = 0;  // also who loads it; only without any may it give its memory away
    char* memory = nullptr;
    uint64_t bytes = 0;
  };
  using Place = std::list<Entry>::iterator;

  // REQUIRES: mutex_ is held.
  Place Find(uint64_t pack, uint64_t index);
  Place FindRoom();
  Status Allocate();

  std::mutex mutex_;
  std::condition_variable news_;
  AlignedMemory memory_;      // from the first chunk on
  std::list<Entry> entries_;  // guarded by mutex_; newest first
  uint64_t packs_ = 0;        // guarded by mutex_
};

}  // namespace stemma::lineage::internal
