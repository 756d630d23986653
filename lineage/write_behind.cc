#include "lineage/write_behind.h"

#include <string_view>

#include "core/check.h"

namespace stemma::lineage {

WriteBehind::WriteBehind(WritableFile& file, uint64_t capacity)
    : file_(file), capacity_(capacity) {}

// The second one is made when the first is full: most small packs never need it.
char* WriteBehind::buffer() {
  AlignedMemory& buffer = buffers_[filling_];
  if (buffer == nullptr) buffer = AllocateAligned(capacity_);
  STEMMA_CHECK(buffer != nullptr, "no memory for a write buffer");
  return buffer.get();
}

Status WriteBehind::Append(uint64_t bytes) {
  STEMMA_RETURN_IF_ERROR(Finish());
  const std::string_view full(buffers_[filling_].get(), bytes);
  filling_ = 1 - filling_;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    writing_ = true;
  }
  worker_.Post([this, full] {
    Status appended = file_.Append(full);
    const std::lock_guard<std::mutex> lock(mutex_);
    status_ = std::move(appended);
    writing_ = false;
    news_.notify_one();
  });
  return {};
}

Status WriteBehind::Finish() {
  std::unique_lock<std::mutex> lock(mutex_);
  news_.wait(lock, [this] { return !writing_; });
  return status_;
}

}  // namespace stemma::lineage
