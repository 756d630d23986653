// Appends to a file on a thread of its own while the next bytes are made ready, so that a disk does
// not wait for a core nor a core for a disk. Two buffers, aligned for O_DIRECT: one is filled while
// the other is written, and memory never grows.
//
//   WriteBehind out(file, 8 << 20);
//   std::memcpy(out.buffer(), bytes, count);  STEMMA_RETURN_IF_ERROR(out.Append(count));  ...
//   STEMMA_RETURN_IF_ERROR(out.Finish());
//
// One thread calls; `file` outlives it and is nobody else's until Finish has returned. The appends
// reach the file in order, one at a time. A failure is said by the next call and is final.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "core/status.h"
#include "lineage/aligned_memory.h"
#include "lineage/serial_worker.h"
#include "lineage/storage.h"

namespace stemma::lineage {

class WriteBehind {
 public:
  // REQUIRES: `capacity` is a multiple of 4096
  WriteBehind(WritableFile& file, uint64_t capacity);
  WriteBehind(const WriteBehind&) = delete;

  // Where the next bytes go: `capacity` bytes of memory, another one after each Append.
  char* buffer();
  uint64_t capacity() const { return capacity_; }

  // Hands over the first `bytes` bytes of buffer(). Waits while the append before is under way.
  Status Append(uint64_t bytes);
  // Until all of them are in the file.
  Status Finish();

 private:
  WritableFile& file_;
  const uint64_t capacity_;
  std::array<AlignedMemory, 2> buffers_;
  size_t filling_ = 0;
  std::mutex mutex_;
  std::condition_variable news_;
  bool writing_ = false;  // guarded by mutex_
  Status status_;         // guarded by mutex_
  SerialWorker worker_;   // last: it uses the others
};

}  // namespace stemma::lineage
