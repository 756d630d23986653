#include "lineage/chunk_cache.h"

#include <algorithm>

#include "lineage/pack.h"

namespace stemma::lineage::internal {

uint64_t ChunkCache::NewPack() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return ++packs_;
}

Status ChunkCache::Use(uint64_t pack, uint64_t index, const Load& load, const User& use) {
  std::unique_lock<std::mutex> lock(mutex_);
  STEMMA_RETURN_IF_ERROR(Allocate());
  Place at = entries_.end();
  for (;;) {
    at = Find(pack, index);
    if (at != entries_.end() && at->loaded) break;
    if (at == entries_.end() && (at = FindRoom()) != entries_.end()) break;
    news_.wait(lock);
  }
  ++at->users;
  entries_.splice(entries_.begin(), entries_, at);
  if (!at->loaded) {
    at->pack = pack;
    at->index = index;
    lock.unlock();
    const Result<uint64_t> bytes = load(at->memory);
    lock.lock();
    at->loaded = bytes.ok();
    at->bytes = bytes.ok() ? *bytes : 0;
    news_.notify_all();
    if (!bytes.ok()) {
      at->pack = 0;
      --at->users;
      return bytes.status();
    }
  }
  lock.unlock();
  use({at->memory, at->bytes});
  lock.lock();
  if (--at->users == 0) news_.notify_all();
  return {};
}

ChunkCache::Place ChunkCache::Find(uint64_t pack, uint64_t index) {
  return std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.pack == pack && entry.index == index;
  });
}

// The oldest that nobody uses, which is forgotten.
ChunkCache::Place ChunkCache::FindRoom() {
  const auto oldest = std::find_if(entries_.rbegin(), entries_.rend(),
                                   [](const Entry& entry) { return entry.users == 0; });
  if (oldest == entries_.rend()) return entries_.end();
  oldest->loaded = false;
  return std::prev(oldest.base());
}

Status ChunkCache::Allocate() {
  if (memory_ != nullptr) return {};
  memory_ = AllocateAligned(entries_.size() * kChunkBytes);
  if (memory_ == nullptr) {
    return {Code::kIo, "no memory for " + std::to_string(entries_.size()) + " MiB of packs"};
  }
  char* next = memory_.get();
  for (Entry& entry : entries_) {
    entry.memory = next;
    next += kChunkBytes;
  }
  return {};
}

}  // namespace stemma::lineage::internal
