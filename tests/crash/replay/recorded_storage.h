// Records every change that goes through it, in the order in which the disk made them, and the
// moments in between when somebody was told that something is durable. crash_disks.h makes of such
// a recording every disk that a crash could have left.
//
//   RecordedStorage recorded(disk);
//   work(recorded);  recorded.Mark();          // "acknowledged" stands here in the recording
//   const Recording recording = recorded.Take();
//
// A change that failed is not recorded: it had no effect. Thread-safe, by making one change after
// the other; `base` outlives it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/mutex.h"
#include "lineage/storage.h"

namespace stemma::tests {

struct Change {
  enum class Kind { kCreate, kWrite, kSyncFile, kMakeDir, kRename, kRemove, kSyncDir, kMark };
  Kind kind = Kind::kMark;
  size_t file = 0;    // which file, counted from 0, of kCreate, kWrite and kSyncFile
  std::string path;   // of a file its name when it was made
  std::string to;     // kRename
  std::string bytes;  // kWrite
};
using Recording = std::vector<Change>;

bool IsSync(const Change& change);
std::string TextOf(const Change& change);  // "rename /s/a to /s/b", for messages

class RecordedStorage final : public lineage::Storage {
 public:
  explicit RecordedStorage(lineage::Storage& base) : base_(base) {}

  void Mark();
  Recording Take();  // and forgets it

  Result<std::unique_ptr<lineage::WritableFile>> Create(
      const std::string& path, const lineage::WriteOptions& options) override;
  Result<std::string> ReadAll(const std::string& path) override { return base_.ReadAll(path); }
  Result<std::string> ReadAt(const std::string& path, uint64_t offset, uint64_t bytes) override {
    return base_.ReadAt(path, offset, bytes);
  }
  Result<uint64_t> SizeOf(const std::string& path) override { return base_.SizeOf(path); }
  Result<int64_t> ModifiedMs(const std::string& path) override { return base_.ModifiedMs(path); }
  Result<std::vector<std::string>> List(const std::string& dir) override { return base_.List(dir); }
  Status MakeDir(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status SyncDir(const std::string& dir) override;
  bool Exists(const std::string& path) override { return base_.Exists(path); }

 private:
  class File;

  lineage::Storage& base_;
  Mutex mutex_;
  Recording recording_ STEMMA_GUARDED_BY(mutex_);
  size_t files_ STEMMA_GUARDED_BY(mutex_) = 0;
};

}  // namespace stemma::tests
