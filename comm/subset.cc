#include "comm/subset.h"

#include <algorithm>

namespace stemma::comm {
namespace {

std::string ListText(const std::vector<int>& ranks) {
  std::string text;
  for (int rank : ranks) text += (text.empty() ? "" : ",") + std::to_string(rank);
  return "{" + text + "}";
}

class NonMember final : public Communicator {
 public:
  NonMember(int world_rank, const std::vector<int>& members, std::string_view backend, bool on_gpu)
      : ranks_(static_cast<int>(members.size())),
        name_(backend),
        on_gpu_(on_gpu),
        refused_(Code::kInvalidArgument, "rank " + std::to_string(world_rank) +
                                             " is not in the group " + ListText(members) +
                                             ": only its members may use it") {}

  int rank() const override { return -1; }
  int ranks() const override { return ranks_; }
  std::string_view name() const override { return name_; }
  bool on_gpu() const override { return on_gpu_; }
  Result<Work> AllReduce(Span, const CallOptions&) override { return refused_; }
  Result<Work> AllGather(ConstSpan, Span, const std::vector<int64_t>&,
                         const CallOptions&) override {
    return refused_;
  }
  Result<Work> ReduceScatter(ConstSpan, Span, const std::vector<int64_t>&,
                             const CallOptions&) override {
    return refused_;
  }
  Result<Work> AllToAll(ConstSpan, const std::vector<int64_t>&, Span, const std::vector<int64_t>&,
                        const CallOptions&) override {
    return refused_;
  }
  Result<Work> Broadcast(Span, int, const CallOptions&) override { return refused_; }
  Result<Work> Barrier(const CallOptions&) override { return refused_; }
  Result<std::unique_ptr<Segment>> Allocate(int64_t, std::string_view) override { return refused_; }
  void Abort(const Status&) override {}
  Status Health() const override { return {}; }  // nothing of it can break
  Status Close() override { return {}; }

 private:
  const int ranks_;
  const std::string name_;
  const bool on_gpu_;
  const Status refused_;
};

}  // namespace

Result<std::vector<int>> AgreeOnMembers(Cohort& world, const std::vector<int>& ranks) {
  STEMMA_RETURN_IF_ERROR(AgreeOn(world, {{"the list of a group's ranks", ListText(ranks)}}));
  const auto refuse = [&](const std::string& why) {
    return Status(Code::kInvalidArgument, "group " + ListText(ranks) + ": " + why);
  };
  if (ranks.empty()) return refuse("it has no ranks");
  std::vector<int> members = ranks;
  std::sort(members.begin(), members.end());
  for (size_t k = 0; k < members.size(); ++k) {
    if (members[k] < 0 || members[k] >= world.size()) {
      return refuse("rank " + std::to_string(members[k]) + " is none of the world's ranks 0 to " +
                    std::to_string(world.size() - 1));
    }
    if (k > 0 && members[k] == members[k - 1]) {
      return refuse("rank " + std::to_string(members[k]) + " stands in it twice");
    }
  }
  return members;
}

int PlaceIn(const std::vector<int>& members, int rank) {
  const auto at = std::find(members.begin(), members.end(), rank);
  return at == members.end() ? -1 : static_cast<int>(at - members.begin());
}

std::unique_ptr<Communicator> MakeNonMember(int world_rank, const std::vector<int>& members,
                                            std::string_view backend, bool on_gpu) {
  return std::make_unique<NonMember>(world_rank, members, backend, on_gpu);
}

}  // namespace stemma::comm
