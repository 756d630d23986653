#include "lineage/file_copies.h"

#include "core/digest.h"
#include "lineage/log.h"

namespace stemma::lineage::internal {

const Copy* FileCopies::Old(const std::string& path) const {
  const auto found = old_.find(path);
  if (found == old_.end() || Xxh128(found->second.bytes) != found->second.digest) return nullptr;
  return &found->second;
}

std::string_view FileCopies::Keep(const std::string& path, std::string bytes) {
  auto owned = std::make_unique<const std::string>(std::move(bytes));
  const Copy copy{*owned, Xxh128(*owned)};
  MutexLock lock(mutex_);
  owned_.push_back(std::move(owned));
  kept_[path] = copy;
  return copy.bytes;
}

Status FileCopies::Noted(Status status) {
  MutexLock lock(mutex_);
  doubt_ = doubt_ || status.code() == Code::kIo;
  return status;
}

Result<std::string_view> FileCopies::Segment(SegmentFile* file) {
  if (!file->torn) {
    const Copy* const old = Old(file->path);
    const bool same = old != nullptr && old->bytes.size() == file->bytes &&
                      old->bytes.substr(0, file->header.size()) == file->header;
    if (same) {
      MutexLock lock(mutex_);
      kept_[file->path] = *old;
      return old->bytes;
    }
  }
  Result<std::string> bytes = store_.storage().ReadBounded(file->path, kSegmentReadMax);
  if (!bytes.ok()) {
    MutexLock lock(mutex_);
    doubt_ = true;
    return bytes.status();
  }
  file->bytes = bytes->size();
  if (!file->header.empty()) file->header = bytes->substr(0, kSegmentHeaderBytes);
  return Keep(file->path, *std::move(bytes));
}

Result<std::string_view> FileCopies::Blob(const ObjectId& id, const std::string& path) {
  {
    MutexLock lock(mutex_);
    if (const auto known = kept_.find(path); known != kept_.end()) return known->second.bytes;
  }
  if (const Copy* const old = Old(path)) {
    MutexLock lock(mutex_);
    kept_[path] = *old;
    return old->bytes;
  }
  Result<std::string> bytes = store_.GetBlob(id);
  if (!bytes.ok()) return Noted(bytes.status());
  return Keep(path, *std::move(bytes));
}

}  // namespace stemma::lineage::internal
