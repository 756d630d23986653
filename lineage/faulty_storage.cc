#include "lineage/faulty_storage.h"

#include <utility>

namespace stemma::lineage {
namespace {

bool Kills(Fault fault) { return fault >= Fault::kDieBefore; }
bool Halves(Fault fault) { return fault == Fault::kShortWrite || fault == Fault::kDieHalf; }

}  // namespace

class FaultyStorage::File final : public WritableFile {
 public:
  File(FaultyStorage& storage, std::string path, std::unique_ptr<WritableFile> base)
      : storage_(storage), path_(std::move(path)), base_(std::move(base)) {}

  Status Append(std::string_view bytes) override {
    return storage_.Change(
        "write " + path_, [&] { return base_->Append(bytes); },
        [&] { return base_->Append(bytes.substr(0, bytes.size() / 2)); });
  }
  void StartSync() override {
    if (storage_.Alive("fsync " + path_).ok()) base_->StartSync();
  }
  Status Sync() override {
    return storage_.Change("fsync " + path_, [&] { return base_->Sync(); });
  }
  Status Close() override {
    STEMMA_RETURN_IF_ERROR(storage_.Alive("close " + path_));
    return base_->Close();
  }

 private:
  FaultyStorage& storage_;
  const std::string path_;
  const std::unique_ptr<WritableFile> base_;
};

void FaultyStorage::FailAt(uint64_t change, Fault fault) {
  MutexLock lock(mutex_);
  at_ = change;
  fault_ = fault;
  count_ = 0;
  fired_ = dead_ = false;
}

bool FaultyStorage::fired() {
  MutexLock lock(mutex_);
  return fired_;
}

uint64_t FaultyStorage::changes() {
  MutexLock lock(mutex_);
  return count_;
}

Status FaultyStorage::Alive(const std::string& what) {
  MutexLock lock(mutex_);
  return dead_ ? Status(Code::kIo, what + ": the process is dead") : Status();
}

Status FaultyStorage::Change(const std::string& what, const std::function<Status()>& full,
                             const std::function<Status()>& half) {
  MutexLock lock(mutex_);
  if (dead_) return Status(Code::kIo, what + ": the process is dead");
  if (++count_ != at_) return full();
  fired_ = true;
  dead_ = Kills(fault_);
  if (fault_ == Fault::kDieAfter) STEMMA_RETURN_IF_ERROR(full());
  if (Halves(fault_) && half) STEMMA_RETURN_IF_ERROR(half());
  const bool full_disk = fault_ == Fault::kNoSpace;
  return Status(Code::kIo,
                what + (full_disk ? ": No space left on device" : ": Input/output error"));
}

Result<std::unique_ptr<WritableFile>> FaultyStorage::Create(const std::string& path,
                                                            const WriteOptions& options) {
  std::unique_ptr<WritableFile> file;
  STEMMA_RETURN_IF_ERROR(Change("create " + path, [&]() -> Status {
    STEMMA_ASSIGN_OR_RETURN(file, base_.Create(path, options));
    return {};
  }));
  return std::unique_ptr<WritableFile>(std::make_unique<File>(*this, path, std::move(file)));
}

Result<std::string> FaultyStorage::ReadAll(const std::string& path) {
  STEMMA_RETURN_IF_ERROR(Alive("read " + path));
  return base_.ReadAll(path);
}
Result<std::string> FaultyStorage::ReadAt(const std::string& path, uint64_t offset,
                                          uint64_t bytes) {
  STEMMA_RETURN_IF_ERROR(Alive("read " + path));
  return base_.ReadAt(path, offset, bytes);
}
Result<uint64_t> FaultyStorage::SizeOf(const std::string& path) {
  STEMMA_RETURN_IF_ERROR(Alive("stat " + path));
  return base_.SizeOf(path);
}
Result<int64_t> FaultyStorage::ModifiedMs(const std::string& path) {
  STEMMA_RETURN_IF_ERROR(Alive("stat " + path));
  return base_.ModifiedMs(path);
}
Result<std::vector<std::string>> FaultyStorage::List(const std::string& dir) {
  STEMMA_RETURN_IF_ERROR(Alive("opendir " + dir));
  return base_.List(dir);
}
bool FaultyStorage::Exists(const std::string& path) {
  return Alive("stat " + path).ok() && base_.Exists(path);
}

Status FaultyStorage::MakeDir(const std::string& path) {
  return Change("mkdir " + path, [&] { return base_.MakeDir(path); });
}
Status FaultyStorage::Rename(const std::string& from, const std::string& to) {
  return Change("rename " + from + " to " + to, [&] { return base_.Rename(from, to); });
}
Status FaultyStorage::Remove(const std::string& path) {
  return Change("remove " + path, [&] { return base_.Remove(path); });
}
Status FaultyStorage::SyncDir(const std::string& dir) {
  return Change("fsync " + dir, [&] { return base_.SyncDir(dir); });
}

}  // namespace stemma::lineage
