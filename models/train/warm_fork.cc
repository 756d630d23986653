#include "models/train/warm_fork.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "core/bytes.h"
#include "core/cohort.h"
#include "core/digest.h"
#include "lineage/record_codec.h"
#include "ops/guard.h"
#include "ops/tensor_collectives.h"

namespace stemma::models {
namespace {

constexpr int64_t kTogetherBytes = 32 << 20;  // of tensors that are sent by one call

bool Has(const std::vector<int>& ranks, int rank) {
  return std::binary_search(ranks.begin(), ranks.end(), rank);
}

Status CheckRanks(const char* whose, const std::vector<int>& ranks, int world) {
  bool good = !ranks.empty() && ranks.front() >= 0 && ranks.back() < world;
  for (size_t i = 1; i < ranks.size(); ++i) good = good && ranks[i - 1] < ranks[i];
  if (good) return {};
  return {Code::kInvalidArgument, std::string("warm fork: the ") + whose + "'s ranks are " +
                                      RanksText(ranks) + "; they must be ascending ranks of the " +
                                      std::to_string(world) + " of this world"};
}

// What a rank of the parent says of its parts. The other ranks say nothing.
struct Told {
  std::string state;                 // the id of the parent's state
  std::vector<lineage::Span> spans;  // name, dtype, shape, role
  std::vector<int64_t> first, bytes;
};

std::string Encode(const LiveState& live) {
  Encoder out;
  out.String(live.record.id);
  out.U64(live.parts.size());
  for (const LiveState::Part& part : live.parts) {
    out.String(part.span.name);
    out.U8(static_cast<uint8_t>(part.span.dtype));
    out.U8(static_cast<uint8_t>(part.span.role));
    out.U64(part.span.shape.size());
    for (const int64_t dim : part.span.shape) out.I64(dim);
    out.I64(part.first);
    out.I64(part.bytes.numel());
  }
  return out.Take();
}

Result<Told> Decode(std::string_view bytes) {
  Decoder in(bytes);
  Told told;
  told.state = in.String();
  const uint64_t parts = in.U64();
  for (uint64_t i = 0; i < parts && in.ok(); ++i) {
    lineage::Span span;
    span.name = in.String();
    span.dtype = static_cast<DType>(in.U8());
    span.role = static_cast<lineage::Role>(in.U8());
    const uint64_t dims = in.U64();
    for (uint64_t d = 0; d < dims && in.ok(); ++d) span.shape.push_back(in.I64());
    told.spans.push_back(std::move(span));
    told.first.push_back(in.I64());
    told.bytes.push_back(in.I64());
  }
  if (in.ok()) return told;
  return Status(Code::kInternal, "warm fork: what a rank said of its state cannot be read");
}

// One warm fork, on one rank.
class Fork {
 public:
  Fork(const WarmForkOptions& options, const LiveState* live, lineage::Store& store,
       ops::World& world)
      : options_(options), live_(live), store_(store), world_(world) {}

  Result<LiveState> Make() {
    STEMMA_RETURN_IF_ERROR(Check());
    STEMMA_RETURN_IF_ERROR(Learn());
    STEMMA_RETURN_IF_ERROR(
        Agree(world_.cohort(), ops::Guard("warm fork", [&] { return MakeRoom(); })));
    if (!Local()) STEMMA_RETURN_IF_ERROR(ops::Guard("warm fork", [&] { return Send(); }));
    STEMMA_ASSIGN_OR_RETURN(child_.small,
                            world_.cohort().Broadcast(root() ? live_->small : "", Root()));
    if (!is_child()) child_.small.clear();
    STEMMA_RETURN_IF_ERROR(WriteRecord());
    return std::move(child_);
  }

 private:
  int Root() const { return options_.parent.front(); }
  bool root() const { return world_.rank() == Root(); }
  bool is_parent() const { return Has(options_.parent, world_.rank()); }
  bool is_child() const { return Has(options_.child, world_.rank()); }

  Status Check() {
    STEMMA_RETURN_IF_ERROR(
        AgreeOn(world_.cohort(), {{"parent", RanksText(options_.parent)},
                                  {"child", RanksText(options_.child)},
                                  {"name", options_.name},
                                  {"digest of the settings", Hex(Xxh128(options_.settings))}}));
    STEMMA_RETURN_IF_ERROR(CheckRanks("parent", options_.parent, world_.ranks()));
    STEMMA_RETURN_IF_ERROR(CheckRanks("child", options_.child, world_.ranks()));
    Status mine;
    if (is_parent() != (live_ != nullptr)) {
      mine = {Code::kInvalidArgument,
              "warm fork: the parent's ranks, and no others, give its state"};
    }
    return Agree(world_.cohort(), mine);
  }

  // The same on all ranks, so its failures are.
  Status Learn() {
    STEMMA_ASSIGN_OR_RETURN(const auto texts,
                            world_.cohort().AllGather(live_ ? Encode(*live_) : ""));
    for (const int rank : options_.parent) {
      STEMMA_ASSIGN_OR_RETURN(Told told, Decode(texts[static_cast<size_t>(rank)]));
      told_.push_back(std::move(told));
      const Told& first = told_.front();
      if (told_.back().state == first.state && told_.back().spans.size() == first.spans.size()) {
        continue;
      }
      return {Code::kIncompatible, "warm fork: rank " + std::to_string(rank) + " has state " +
                                       Hex(told_.back().state).substr(0, 8) + " in memory, rank " +
                                       std::to_string(Root()) + " " +
                                       Hex(first.state).substr(0, 8)};
    }
    for (const lineage::Span& span : told_.front().spans) {
      sharded_ = sharded_ || span.role == lineage::Role::kSharded;
    }
    return {};
  }

  // Every rank of the child has what it needs already: replicas are whole, and shards stay put.
  bool Local() const {
    if (sharded_) return options_.child == options_.parent;
    return std::includes(options_.parent.begin(), options_.parent.end(), options_.child.begin(),
                         options_.child.end());
  }

  Status MakeRoom() {
    if (!is_child()) return {};
    if (Local()) {
      STEMMA_ASSIGN_OR_RETURN(child_, Clone(*live_));
      return {};
    }
    for (const lineage::Span& span : told_.front().spans) {
      child_.parts.push_back({span, 0, Empty(span.bytes())});
    }
    return {};
  }

  at::Tensor Empty(int64_t bytes) const {
    const auto where =
        world_.on_gpu() ? at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(world_.gpu_index()))
                        : at::Device(at::kCPU);
    return at::empty({bytes}, at::TensorOptions(at::kByte).device(where));
  }

  // Replicated spans come from the first rank, sharded ones from whoever holds them.
  Status Send() {
    for (size_t p = 0; p < told_.size(); ++p) {
      const int sender = options_.parent[p];
      std::vector<at::Tensor> together;
      int64_t bytes = 0;
      for (size_t i = 0; i < told_[p].spans.size(); ++i) {
        const bool sharded = told_[p].spans[i].role == lineage::Role::kSharded;
        if (told_[p].bytes[i] == 0 || (p > 0 && !sharded)) continue;
        together.push_back(Place(told_[p], i, sender));
        bytes += told_[p].bytes[i];
        if (bytes < kTogetherBytes) continue;
        STEMMA_RETURN_IF_ERROR(ops::Broadcast(world_.data(), together, sender));
        together.clear();
        bytes = 0;
      }
      if (together.empty()) continue;
      STEMMA_RETURN_IF_ERROR(ops::Broadcast(world_.data(), together, sender));
    }
    return {};
  }

  // Where the bytes are, or arrive. A rank that only passes them on forgets them.
  at::Tensor Place(const Told& told, size_t part, int sender) {
    const int64_t bytes = told.bytes[part];
    at::Tensor arrives =
        is_child() ? child_.parts[part].bytes.narrow(0, told.first[part], bytes) : at::Tensor();
    if (world_.rank() != sender) return is_child() ? arrives : Empty(bytes);
    if (is_child()) arrives.copy_(live_->parts[part].bytes);
    return live_->parts[part].bytes;
  }

  Status WriteRecord() {
    std::string payload;
    const Status mine = root() ? Append(&payload) : Status();
    STEMMA_RETURN_IF_ERROR(Agree(world_.cohort(), mine));
    STEMMA_ASSIGN_OR_RETURN(payload, world_.cohort().Broadcast(std::move(payload), Root()));
    STEMMA_ASSIGN_OR_RETURN(child_.record, lineage::DecodeRecord(payload));
    return {};
  }

  Status Append(std::string* payload) {
    lineage::Record change;
    change.attributes = options_.attributes;
    change.attributes[lineage::kRestoreAttribute] = std::string("warm");
    STEMMA_ASSIGN_OR_RETURN(const lineage::Graph before, store_.Load());
    STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id,
                            store_.ForkWithSettings(before, live_->record.id, options_.name, change,
                                                    options_.settings));
    STEMMA_ASSIGN_OR_RETURN(const lineage::Graph after, store_.Load());
    const auto made = after.states.find(id);
    if (made == after.states.end()) {
      return {Code::kCorruption, "warm fork: its record is not in the store that took it"};
    }
    lineage::Record record = made->second;
    STEMMA_ASSIGN_OR_RETURN(*payload, lineage::EncodeRecord(&record));
    return {};
  }

  const WarmForkOptions& options_;
  const LiveState* const live_;
  lineage::Store& store_;
  ops::World& world_;
  std::vector<Told> told_;  // one per rank of the parent
  bool sharded_ = false;
  LiveState child_;
};

}  // namespace

Result<LiveState> WarmFork(const WarmForkOptions& options, const LiveState* live,
                           lineage::Store& store, ops::World& world) {
  return Fork(options, live, store, world).Make();
}

}  // namespace stemma::models
