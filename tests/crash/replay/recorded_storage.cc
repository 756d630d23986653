#include "tests/crash/replay/recorded_storage.h"

#include <utility>

namespace stemma::tests {

using Kind = Change::Kind;

bool IsSync(const Change& change) {
  return change.kind == Kind::kSyncFile || change.kind == Kind::kSyncDir;
}

std::string TextOf(const Change& change) {
  switch (change.kind) {
    case Kind::kCreate:
      return "create " + change.path;
    case Kind::kWrite:
      return "write " + std::to_string(change.bytes.size()) + " bytes to " + change.path;
    case Kind::kSyncFile:
      return "fsync file " + change.path;
    case Kind::kMakeDir:
      return "mkdir " + change.path;
    case Kind::kRename:
      return "rename " + change.path + " to " + change.to;
    case Kind::kRemove:
      return "remove " + change.path;
    case Kind::kSyncDir:
      return "fsync folder " + change.path;
    case Kind::kMark:
      return "acknowledged";
  }
  return "?";
}

class RecordedStorage::File final : public lineage::WritableFile {
 public:
  File(RecordedStorage& storage, size_t number, std::string path,
       std::unique_ptr<lineage::WritableFile> base)
      : storage_(storage), number_(number), path_(std::move(path)), base_(std::move(base)) {}

  Status Append(std::string_view bytes) override {
    MutexLock lock(storage_.mutex_);
    STEMMA_RETURN_IF_ERROR(base_->Append(bytes));
    storage_.recording_.push_back({Kind::kWrite, number_, path_, "", std::string(bytes)});
    return {};
  }
  Status Sync() override {
    MutexLock lock(storage_.mutex_);
    STEMMA_RETURN_IF_ERROR(base_->Sync());
    storage_.recording_.push_back({Kind::kSyncFile, number_, path_, "", ""});
    return {};
  }
  Status Close() override { return base_->Close(); }

 private:
  RecordedStorage& storage_;
  const size_t number_;
  const std::string path_;
  const std::unique_ptr<lineage::WritableFile> base_;
};

void RecordedStorage::Mark() {
  MutexLock lock(mutex_);
  recording_.push_back({});
}

Recording RecordedStorage::Take() {
  MutexLock lock(mutex_);
  return std::exchange(recording_, {});
}

Result<std::unique_ptr<lineage::WritableFile>> RecordedStorage::Create(
    const std::string& path, const lineage::WriteOptions& options) {
  MutexLock lock(mutex_);
  STEMMA_ASSIGN_OR_RETURN(auto file, base_.Create(path, options));
  recording_.push_back({Kind::kCreate, files_, path, "", ""});
  return std::unique_ptr<lineage::WritableFile>(
      std::make_unique<File>(*this, files_++, path, std::move(file)));
}

Status RecordedStorage::MakeDir(const std::string& path) {
  MutexLock lock(mutex_);
  STEMMA_RETURN_IF_ERROR(base_.MakeDir(path));
  recording_.push_back({Kind::kMakeDir, 0, path, "", ""});
  return {};
}

Status RecordedStorage::Rename(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  STEMMA_RETURN_IF_ERROR(base_.Rename(from, to));
  recording_.push_back({Kind::kRename, 0, from, to, ""});
  return {};
}

Status RecordedStorage::Remove(const std::string& path) {
  MutexLock lock(mutex_);
  STEMMA_RETURN_IF_ERROR(base_.Remove(path));
  recording_.push_back({Kind::kRemove, 0, path, "", ""});
  return {};
}

Status RecordedStorage::SyncDir(const std::string& dir) {
  MutexLock lock(mutex_);
  STEMMA_RETURN_IF_ERROR(base_.SyncDir(dir));
  recording_.push_back({Kind::kSyncDir, 0, dir, "", ""});
  return {};
}

}  // namespace stemma::tests
