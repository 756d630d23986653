#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "lineage/storage.h"

namespace stemma::tests {

// Counts what is read of packs, and can hold back all reads of a pack's data from an offset on: so
// a test proves what a reader does without. Headers and chunk tables, which every reader needs, are
// counted apart.
class MeteredStorage final : public lineage::Storage {
 public:
  explicit MeteredStorage(lineage::Storage& base) : base_(base) {}

  // Reads of a pack that begin at `offset` or behind it, but before its last 4096 bytes (its chunk
  // table, in a small pack), wait until Open().
  void HoldFrom(uint64_t offset) {
    const std::lock_guard<std::mutex> lock(mutex_);
    hold_from_ = offset;
  }
  void Open() {
    HoldFrom(~uint64_t{0});
    opened_.notify_all();
  }
  uint64_t data_bytes() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return data_bytes_;
  }
  // Packs whose header was read.
  int packs_opened() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return packs_opened_;
  }

  Result<std::string> ReadAt(const std::string& path, uint64_t offset, uint64_t bytes) override {
    if (path.find("/objects/pack/") != path.npos) {
      STEMMA_ASSIGN_OR_RETURN(const uint64_t size, base_.SizeOf(path));
      const bool opening = offset == 0 && bytes <= 65536, header = offset == 0;
      const bool table = offset + bytes > size - 4096;
      std::unique_lock<std::mutex> lock(mutex_);
      packs_opened_ += opening;
      if (!header && !table) {
        opened_.wait(lock, [&] { return offset < hold_from_; });
        data_bytes_ += bytes;
      }
    }
    return base_.ReadAt(path, offset, bytes);
  }

  Result<std::unique_ptr<lineage::WritableFile>> Create(
      const std::string& path, const lineage::WriteOptions& options) override {
    return base_.Create(path, options);
  }
  Result<std::string> ReadAll(const std::string& path) override { return base_.ReadAll(path); }
  Result<uint64_t> SizeOf(const std::string& path) override { return base_.SizeOf(path); }
  Result<int64_t> ModifiedMs(const std::string& path) override { return base_.ModifiedMs(path); }
  Result<std::vector<std::string>> List(const std::string& dir) override { return base_.List(dir); }
  Status MakeDir(const std::string& path) override { return base_.MakeDir(path); }
  Status Rename(const std::string& from, const std::string& to) override {
    return base_.Rename(from, to);
  }
  Status Remove(const std::string& path) override { return base_.Remove(path); }
  Status SyncDir(const std::string& dir) override { return base_.SyncDir(dir); }
  bool Exists(const std::string& path) override { return base_.Exists(path); }

 private:
  lineage::Storage& base_;
  std::mutex mutex_;
  std::condition_variable opened_;
  uint64_t hold_from_ = ~uint64_t{0};
  uint64_t data_bytes_ = 0;
  int packs_opened_ = 0;
};

}  // namespace stemma::tests
