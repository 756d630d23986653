#include "comm/node_channel.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace stemma::comm {
namespace {

constexpr int64_t kPage = 4096;

int64_t RoundUp(int64_t bytes, int64_t unit) { return (bytes + unit - 1) / unit * unit; }

int64_t PayloadAt(int ranks) {
  const auto counts = static_cast<int64_t>(2 * sizeof(int64_t)) * ranks;
  return RoundUp(static_cast<int64_t>(sizeof(NodePost)) + counts, 64);
}

int64_t SlotBytes(const NodeChannel::Sizes& sizes, int ranks) {
  return RoundUp(PayloadAt(ranks) + sizes.inline_bytes, 64);
}

int64_t RingBytes(const NodeChannel::Sizes& sizes, int ranks) {
  return RoundUp(SlotBytes(sizes, ranks) * static_cast<int64_t>(NodeChannel::kRing), kPage);
}

}  // namespace

Result<std::unique_ptr<NodeChannel>> NodeChannel::Create(Cohort& node, const Sizes& sizes,
                                                         std::string_view what) {
  static_assert(std::atomic<uint64_t>::is_always_lock_free);
  const int64_t bytes = RoundUp(sizeof(State), kPage) + RingBytes(sizes, node.size()) +
                        kStages * (sizes.stage_bytes + sizes.stage_bytes / node.size());
  STEMMA_ASSIGN_OR_RETURN(auto memory, NodeMemory::Create(node, bytes, what));
  return std::unique_ptr<NodeChannel>(new NodeChannel(std::move(memory), sizes));
}

NodeChannel::NodeChannel(std::unique_ptr<NodeMemory> memory, const Sizes& sizes)
    : memory_(std::move(memory)),
      rank_(memory_->rank()),
      ranks_(memory_->ranks()),
      sizes_(sizes),
      payload_at_(PayloadAt(memory_->ranks())),
      slot_bytes_(SlotBytes(sizes, memory_->ranks())) {
  for (int r = 0; r < ranks(); ++r) {
    char* const part = memory_->part(r);
    states_.push_back(reinterpret_cast<State*>(part));  // zeros are where all begin
    rings_.push_back(part + RoundUp(sizeof(State), kPage));
    stages_.push_back(rings_.back() + RingBytes(sizes, ranks()));
  }
}

bool NodeChannel::HasRoom(uint64_t call) {
  if (call < oldest_ + kRing) return true;
  oldest_ = UINT64_MAX;
  for (int r = 0; r < ranks(); ++r) oldest_ = std::min(oldest_, retired(r) >> 24);
  return call < oldest_ + kRing;
}

void NodeChannel::SetEnded(const Status& cause) {
  State& state = *states_[rank()];
  uint32_t none = 0;
  if (!state.ended.compare_exchange_strong(none, 1)) return;
  state.code = cause.code();
  state.cause_bytes = static_cast<uint32_t>(
      std::min<size_t>(cause.message().size(), static_cast<size_t>(kCauseBytes)));
  std::memcpy(state.cause, cause.message().data(), state.cause_bytes);
  state.ended.store(2);
}

Status NodeChannel::EndedWith(int rank) const {
  const State& state = *states_[rank];
  return {state.code, std::string(state.cause, state.cause_bytes)};
}

}  // namespace stemma::comm
