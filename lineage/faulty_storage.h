// Makes the n-th change of a Storage fail, for every n: the heart of the crash tests.
//
//   FaultyStorage faulty(disk);
//   faulty.FailAt(n, Fault::kDieAfter);
//   work(faulty);                      // the process "died" at its n-th change ...
//   disk.Crash();                      // ... and the machine with it
//   if (!faulty.fired()) break;        // n was beyond the last change: done
//
// Changes are Create, Append, Sync, MakeDir, Rename, Remove and SyncDir, counted from 1; reading is
// not counted but fails after a death. Thread-safe; `base` outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/mutex.h"
#include "lineage/storage.h"

namespace stemma::lineage {

enum class Fault {
  kIo,          // this change fails with "Input/output error" and has no effect
  kNoSpace,     // the same with "No space left on device"
  kShortWrite,  // an Append writes half and fails; other changes as kIo
  kDieBefore,   // no effect, and everything after it fails
  kDieHalf,     // an Append writes half, then as kDieBefore
  kDieAfter,    // full effect but reported as failed, and everything after it fails
};

class FaultyStorage final : public Storage {
 public:
  explicit FaultyStorage(Storage& base) : base_(base) {}

  void FailAt(uint64_t change, Fault fault);
  bool fired();
  uint64_t changes();  // counted so far

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

 private:
  class File;
  // Runs `full` (or `half`) as the fault plan says.
  Status Change(const std::string& what, const std::function<Status()>& full,
                const std::function<Status()>& half = {});
  Status Alive(const std::string& what);

  Storage& base_;
  Mutex mutex_;
  uint64_t count_ STEMMA_GUARDED_BY(mutex_) = 0, at_ STEMMA_GUARDED_BY(mutex_) = 0;
  Fault fault_ STEMMA_GUARDED_BY(mutex_) = Fault::kIo;
  bool fired_ STEMMA_GUARDED_BY(mutex_) = false, dead_ STEMMA_GUARDED_BY(mutex_) = false;
};

}  // namespace stemma::lineage
