#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lineage/storage.h"

namespace stemma::tests {

// Runs `step` before the n-th call, counted from 1, of whoever works through it: so a test puts any
// work of one process into any gap of another, without threads and without luck.
class StepStorage final : public lineage::Storage {
 public:
  StepStorage(lineage::Storage& base, int at, std::function<void()> step)
      : base_(base), left_(at), step_(std::move(step)) {}

  bool ran() const { return left_ <= 0; }

  Result<std::unique_ptr<lineage::WritableFile>> Create(
      const std::string& path, const lineage::WriteOptions& options) override {
    return Base().Create(path, options);
  }
  Result<std::string> ReadAll(const std::string& path) override { return Base().ReadAll(path); }
  Result<std::string> ReadAt(const std::string& path, uint64_t offset, uint64_t bytes) override {
    return Base().ReadAt(path, offset, bytes);
  }
  Result<uint64_t> SizeOf(const std::string& path) override { return Base().SizeOf(path); }
  Result<int64_t> ModifiedMs(const std::string& path) override { return Base().ModifiedMs(path); }
  // The 256 folders of packs are listed one after the other, which would be 256 equal gaps.
  Result<std::vector<std::string>> List(const std::string& dir) override {
    return dir.find("/objects/pack/") == dir.npos ? Base().List(dir) : base_.List(dir);
  }
  Status MakeDir(const std::string& path) override { return Base().MakeDir(path); }
  Status Rename(const std::string& from, const std::string& to) override {
    return Base().Rename(from, to);
  }
  Status Remove(const std::string& path) override { return Base().Remove(path); }
  Status SyncDir(const std::string& dir) override { return Base().SyncDir(dir); }
  bool Exists(const std::string& path) override { return Base().Exists(path); }

 private:
  lineage::Storage& Base() {
    if (--left_ == 0) step_();
    return base_;
  }

  lineage::Storage& base_;
  std::atomic<int> left_;  // a restore reads with several threads
  const std::function<void()> step_;
};

}  // namespace stemma::tests
