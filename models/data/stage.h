// Large files copied to the disk of the node that reads them, while they are read: one rank of a
// node copies, all of its ranks read from a copy as soon as it is whole, and from the source until
// then. HPC's shared file systems serve few large reads well and many small ones badly.
//
//   StagedFiles staged(lustre, scratch, "/scratch/stemma", files);       // every rank
//   BackgroundCopy copy(lustre, scratch, settings, files);               // one rank of the node
//   STEMMA_ASSIGN_OR_RETURN(const auto file, staged.Open(files[3].path));
//   ... file->Read(...) comes from wherever file 3 is by now
//
// A copy is called by the digest of its bytes, DIR/<digest>.stage, so that jobs with the same data
// share it and other data never meets it. It is written as DIR/<digest>.stage.<ulid>.part in the
// order of the list, by reads of 8 MiB, synced, compared with the digest and renamed: a name
// without .part is whole. So nobody has to be asked:
//   - a job that died leaves a part that no longer grows: after `dead_s` the next one removes it;
//   - several that copy the same file at once do no harm; one that sees a part that grows leaves
//     the file to its owner and looks again later.
//
// A full disk is no failure. What does not fit, in bytes or in inodes, stays on the source, with
// one warning per node; so does a file whose copy cannot be written or read. Copies are not
// removed: they are for the next job too, and a batch system empties such disks by itself.
//
// Owner: the caller; both disks outlive all of it. Thread: each class says.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "core/cohort.h"
#include "core/status.h"
#include "lineage/storage.h"

namespace stemma::models {

struct StageFile {
  std::string path;  // on the source
  uint64_t bytes = 0;
  std::string digest;  // XXH3-128, raw
};

struct FreeSpace {
  uint64_t bytes = 0, inodes = 0;
};
// What the file system of `dir` has left for us. One that counts no inodes says 2^64 - 1.
Result<FreeSpace> FreeSpaceOf(const std::string& dir);

struct StageSettings {
  std::string dir;                         // made where it is not there; its parent must be
  uint64_t keep_free = uint64_t{1} << 30;  // bytes that are left to others
  uint64_t keep_inodes = 1000;             // and files
  double dead_s = 60;                      // a part that has not grown for so long is nobody's
  double look_s = 1;                       // between looks at files that others copy
  std::function<Result<FreeSpace>(const std::string&)> free_space = FreeSpaceOf;
};

struct StageReport {
  int64_t there = 0, copied = 0;  // copies that were there already, or that others made; ours
  int64_t left = 0;               // files that stay on the source
  uint64_t bytes = 0;             // that we copied
  double seconds = 0;
  bool stopped = false;
  Status why;  // of the first file that is left
};

// DIR/<digest>.stage
std::string CopyPath(const std::string& dir, const StageFile& file);

// Copies what is not there yet. `go_on` is asked between pieces, with the bytes that are there and
// those of all files; false stops. Thread: one.
StageReport CopyFiles(lineage::Storage& source, lineage::Storage& local,
                      const StageSettings& settings, const std::vector<StageFile>& files,
                      const std::function<bool(uint64_t, uint64_t)>& go_on);

// CopyFiles on a thread of its own, with a line in the log when it is done, which is a warning
// where files were left.
class BackgroundCopy {
 public:
  BackgroundCopy(lineage::Storage& source, lineage::Storage& local, StageSettings settings,
                 std::vector<StageFile> files);
  // Stops it and waits for the piece it is in.
  ~BackgroundCopy();
  BackgroundCopy(const BackgroundCopy&) = delete;

  StageReport Wait();  // until it is done. Once

 private:
  std::atomic<bool> stopping_{false};
  StageReport report_;
  std::thread thread_;
};

// The files, wherever they are. Thread: any number at once.
class StagedFiles {
 public:
  StagedFiles(lineage::Storage& source, lineage::Storage& local, std::string dir,
              std::vector<StageFile> files);

  // A file of the list, or another one from the source. Each Read looks whether the copy is there
  // by now. A copy that fails is never read again by this process, with one warning. The handle
  // does not outlive this.
  Result<std::unique_ptr<lineage::ReadableFile>> Open(const std::string& path) const;

  struct Reads {
    int64_t copies = 0, source = 0;  // reads that each has answered
  };
  Reads reads() const { return {copies_, source_reads_}; }

 private:
  class Handle;
  struct File {
    StageFile about;
    std::string copy;
    std::atomic<bool> bad{false};
  };
  lineage::Storage& source_;
  lineage::Storage& local_;
  std::vector<std::unique_ptr<File>> files_;
  std::unordered_map<std::string, size_t> by_path_;
  mutable std::atomic<int64_t> copies_{0}, source_reads_{0};
};

// Whether this rank is the first of its host: the one that copies. Collective.
Result<bool> FirstOfHost(Cohort& cohort);

}  // namespace stemma::models
