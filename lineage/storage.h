// The one seam to the file system. POSIX in production; in tests a memory disk that loses what was
// not synced, and a wrapper that makes the n-th call fail. Everything durable goes through it.
//
// Thread-safe. Failure: kIo with call, path and errno text ("fsync /s/x: No space left on device");
// kNotFound where the path does not exist; kInvalidArgument "exists" from the exclusive makers. A
// full disk is known by its text (IsNoSpace).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace stemma::lineage {

class WritableFile {
 public:
  virtual ~WritableFile() = default;  // closes without syncing
  virtual Status Append(std::string_view bytes) = 0;
  // Begins to move data to the disk and returns at once: syncs of several small files that follow
  // together then cost about as much as one. Promises nothing; a failure shows in Sync().
  virtual void StartSync() {}
  virtual Status Sync() = 0;  // data and size; a failure loses the file
  virtual Status Close() = 0;
};

// A file held open, for readers of many parts: no path is walked and no memory made for each. Any
// number of threads may read at once.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // Exactly `bytes` bytes to `out`; kCorruption when the file ends before them.
  virtual Status Read(uint64_t offset, uint64_t bytes, char* out) = 0;
  // A wish: from now on whole blocks that go to memory at a multiple of 4096 come straight from the
  // disk, but for those in the page cache. Nothing is read ahead then, and little time is spent.
  virtual void GoDirect() {}
};

struct WriteOptions {
  uint64_t reserve = 0;  // bytes known to come: fallocate where the file system can
  bool direct = false;   // O_DIRECT where it works (Append then wants multiples of 4096 from
                         // 4096-aligned memory, but the last), with a buffered fallback
  bool direct_required = false;  // no fallback: kIo where O_DIRECT does not work
};

// A file's bytes in memory, which last as long as `owner`.
struct FileBytes {
  std::string_view bytes;
  std::shared_ptr<const void> owner;
};

class Storage {
 public:
  virtual ~Storage() = default;
  virtual Result<std::unique_ptr<WritableFile>> Create(const std::string& path,
                                                       const WriteOptions& options) = 0;  // O_EXCL
  virtual Result<std::string> ReadAll(const std::string& path) = 0;
  // ReadAll of a file that somebody may have swapped: kCorruption when it has more than `max`
  // bytes, before any of them is read.
  virtual Result<std::string> ReadBounded(const std::string& path, uint64_t max);
  // Exactly `bytes` bytes; kCorruption when the file ends before them.
  virtual Result<std::string> ReadAt(const std::string& path, uint64_t offset, uint64_t bytes) = 0;
  // Where nothing cheaper is to be had (tests' disks), each Read is a ReadAt.
  virtual Result<std::unique_ptr<ReadableFile>> OpenToRead(const std::string& path);
  // The whole file, mapped where the file system can and read otherwise. For files that are only
  // ever replaced by a rename: one that is cut short while it is mapped ends the process.
  virtual Result<FileBytes> Map(const std::string& path);
  virtual Result<uint64_t> SizeOf(const std::string& path) = 0;
  // When a file or folder last changed, in milliseconds of the clock of whoever holds the disk.
  // Only the difference between two answers of one Storage means anything: it is an age.
  virtual Result<int64_t> ModifiedMs(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> List(const std::string& dir) = 0;  // names, sorted
  virtual Status MakeDir(const std::string& path) = 0;  // exclusive: the claim
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;  // a file or an empty directory
  virtual Status SyncDir(const std::string& dir) = 0;
  virtual bool Exists(const std::string& path) = 0;
};

// What ReadBounded says of a file that is too long.
Status TooLong(const std::string& path, uint64_t bytes, uint64_t max);

// The disk, the quota or one storage target is full: training can go on without this capture.
bool IsNoSpace(const Status& status);

// Creates `path` with `bytes` and syncs the file, not its folder: enough where the name lasts only
// until a rename, whose folder is synced. kInvalidArgument when it exists.
Status WriteSynced(Storage& storage, const std::string& path, std::string_view bytes);
// The same, and then its folder.
Status WriteDurable(Storage& storage, const std::string& path, std::string_view bytes);

// The process's POSIX file system; never destroyed.
Storage& PosixStorage();

}  // namespace stemma::lineage
