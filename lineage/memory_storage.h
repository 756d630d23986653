// A disk in memory for tests, which forgets what was not synced: bytes without Sync(), names
// without SyncDir(). What survives a crash here survives one on any file system that keeps POSIX's
// promises. A rename is atomic: a crash leaves the old name, the new one or both, never none.
//
//   MemoryStorage disk;
//   ... use it through Storage& ...
//   disk.Crash();              // worst case: nothing unsynced is left
//   disk.Crash(seed);          // any case: each unsynced name and each unsynced tail may survive
//
// Thread-safe. Files that were open at a crash answer kIo from then on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/mutex.h"
#include "lineage/storage.h"

namespace stemma::lineage {

class MemoryStorage final : public Storage {
 public:
  MemoryStorage();
  ~MemoryStorage() override;

  Result<std::unique_ptr<WritableFile>> Create(const std::string& path,
                                               const WriteOptions& options) override;
  Result<std::string> ReadAll(const std::string& path) override;
  Result<std::string> ReadAt(const std::string& path, uint64_t offset, uint64_t bytes) override;
  Result<uint64_t> SizeOf(const std::string& path) override;
  Result<int64_t> ModifiedMs(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& dir) override;
  Status MakeDir(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status SyncDir(const std::string& dir) override;
  bool Exists(const std::string& path) override;

  void Crash(std::optional<uint64_t> seed = std::nullopt);
  // The pages of a file may reach the disk in any order: all that is seen survives, but zeros stand
  // where the first unsynced page of each file was.
  void CrashInHoles();
  // Changes stored bytes behind everybody's back, as a bad disk does. False: no such byte.
  bool Flip(const std::string& path, uint64_t offset, uint8_t mask = 1);
  bool Truncate(const std::string& path, uint64_t bytes);
  // Appends beyond this sum of all file bytes fail with "No space left on device".
  void LimitBytes(uint64_t bytes);
  // Moves the disk's own clock, which stands still otherwise. It may go back.
  void AdvanceMs(int64_t ms);

  struct Node;

 private:
  class File;
  Node* Walk(std::string_view path) STEMMA_REQUIRES(mutex_);
  Result<Node*> ParentFor(std::string_view call, const std::string& path) STEMMA_REQUIRES(mutex_);

  Mutex mutex_;
  std::shared_ptr<Node> root_ STEMMA_GUARDED_BY(mutex_);
  uint64_t boots_ STEMMA_GUARDED_BY(mutex_) = 0;
  uint64_t bytes_ STEMMA_GUARDED_BY(mutex_) = 0;
  int64_t now_ms_ STEMMA_GUARDED_BY(mutex_) = 1000000000;
  uint64_t bytes_max_ STEMMA_GUARDED_BY(mutex_) = ~uint64_t{0};
};

}  // namespace stemma::lineage
