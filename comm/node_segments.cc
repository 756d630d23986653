#include "comm/node_segments.h"

#include <utility>

namespace stemma::comm {

// What the caller holds.
class NodeSegments::Held final : public Segment {
 public:
  Held(std::shared_ptr<NodeSegments> all, uint32_t number, char* data, int64_t bytes)
      : all_(std::move(all)), number_(number), data_(data), bytes_(bytes) {}
  ~Held() override { all_->Free(number_); }
  Held(const Held&) = delete;
  void* data() override { return data_; }
  int64_t bytes() const override { return bytes_; }

 private:
  const std::shared_ptr<NodeSegments> all_;
  const uint32_t number_;
  char* const data_;
  const int64_t bytes_;
};

Result<std::unique_ptr<Segment>> NodeSegments::Allocate(Cohort& node, int64_t bytes,
                                                        std::string_view what) {
  STEMMA_ASSIGN_OR_RETURN(const auto freed, node.AllGather(Freed()));
  Drop(freed);
  // A segment of nothing has an address too.
  STEMMA_ASSIGN_OR_RETURN(auto memory, NodeMemory::Create(node, bytes == 0 ? 1 : bytes, what));
  MutexLock lock(mutex_);
  Entry entry;
  entry.begin = memory->part(memory->rank());
  entry.bytes = bytes;
  entry.memory = std::move(memory);
  entries_.push_back(std::move(entry));
  const auto number = static_cast<uint32_t>(entries_.size() - 1);
  return std::unique_ptr<Segment>(
      new Held(shared_from_this(), number, entries_.back().begin, bytes));
}

NodeSegments::Place NodeSegments::Find(const void* data, size_t bytes) const {
  const auto* const at = static_cast<const char*>(data);
  MutexLock lock(mutex_);
  for (size_t k = 0; k < entries_.size(); ++k) {
    const Entry& entry = entries_[k];
    if (entry.freed || entry.begin == nullptr || at < entry.begin) continue;
    const auto offset = static_cast<size_t>(at - entry.begin);
    if (offset + bytes <= static_cast<size_t>(entry.bytes)) {
      return {static_cast<uint32_t>(k), static_cast<int64_t>(offset)};
    }
  }
  return {};
}

char* NodeSegments::At(uint32_t segment, int rank, int64_t offset) const {
  MutexLock lock(mutex_);
  return entries_[segment].memory->part(rank) + offset;
}

void NodeSegments::Free(uint32_t segment) {
  MutexLock lock(mutex_);
  entries_[segment].freed = true;
  entries_[segment].memory->Discard();
}

std::string NodeSegments::Freed() const {
  std::string numbers;
  MutexLock lock(mutex_);
  for (size_t k = 0; k < entries_.size(); ++k) {
    numbers += entries_[k].memory != nullptr && entries_[k].freed ? '1' : '0';
  }
  return numbers;
}

void NodeSegments::Drop(const std::vector<std::string>& freed_by_rank) {
  MutexLock lock(mutex_);
  for (size_t k = 0; k < entries_.size(); ++k) {
    bool all = true;
    for (const std::string& freed : freed_by_rank) all = all && freed[k] == '1';
    if (all) entries_[k] = Entry{};
  }
}

}  // namespace stemma::comm
